struct md_rdev {
	struct list_head same_set;
	unsigned int p2p_slot;

	sector_t sectors;
};

struct mddev {
	void *private;
	struct md_personality *pers;
	struct md_p2p_array *p2p;
	sector_t p2p_due;
	sector_t p2p_due_end;
	dev_t unit;
};

struct md_io_clone {
	struct mddev *mddev;
	struct bio *orig_bio;
	bool p2p_direct;
	bool p2p_cached;
	bool p2p_refused;
	bool p2p_lost;
	bool p2p_due;
	bool p2p_settled;
	unsigned int p2p_bytes;
	atomic_t p2p_by_engine;
	unsigned int p2p_slot;
	unsigned int p2p_offset;
	unsigned int p2p_sectors;
	struct md_rdev *p2p_rdev;
	sector_t p2p_to;
	struct bio_list p2p_parts;
	struct list_head p2p_node;
	struct bio bio_clone;
};

#include "md_p2p.h"

struct other {
	struct list_head same_set;
	void *private;
	struct bio bio_clone;
};
