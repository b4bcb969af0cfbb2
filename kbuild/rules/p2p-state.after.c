struct md_rdev {
	struct list_head same_set;
	unsigned int p2p_slot;

	sector_t sectors;
};

struct mddev {
	void *private;
	struct md_personality *pers;
	struct md_p2p_array *p2p;
	dev_t unit;
};

struct md_io_clone {
	struct mddev *mddev;
	struct bio *orig_bio;
	unsigned int p2p_bytes;
	unsigned int p2p_slot;
	bool p2p_peer;
	bool p2p_direct;
	bool p2p_failed;
	struct bio bio_clone;
};

#include "md_p2p.h"

struct other {
	struct list_head same_set;
	void *private;
	struct bio bio_clone;
};
