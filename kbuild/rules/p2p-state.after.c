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
	bool p2p_direct;
	struct bio bio_clone;
};

#include "md_p2p.h"

struct other {
	void *private;
	struct bio bio_clone;
};
