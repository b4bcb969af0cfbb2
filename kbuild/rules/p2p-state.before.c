struct md_rdev {
	struct list_head same_set;

	sector_t sectors;
};

struct mddev {
	void *private;
	struct md_personality *pers;
	dev_t unit;
};

struct md_io_clone {
	struct mddev *mddev;
	struct bio *orig_bio;
	struct bio bio_clone;
};

struct other {
	struct list_head same_set;
	void *private;
	struct bio bio_clone;
};
