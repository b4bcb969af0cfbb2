/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The border between the Rust glue and C. bindgen reads this file alone, so it
 * names kernel structures but never looks into them.
 *
 * shim_*: plumbing that needs C macros or inline functions; kmod/shim.c.
 * md_p2p_glue_*: decisions; kmod/glue.rs.
 */
#ifndef MD_P2P_SHIM_H
#define MD_P2P_SHIM_H

#include <linux/types.h>

struct bio;
struct md_io_clone;
struct md_p2p_array;
struct md_p2p_counters;
struct md_p2p_pages;
struct md_p2p_stager;
struct md_rdev;
struct mddev;
struct pci_dev;

/* Members of an array that can be told apart; kmod/decide/reach.rs. */
#define MD_P2P_SLOTS 64

/* One counter each, per array and per CPU; the unit is in the name. */
enum md_p2p_counter {
	MD_P2P_READ_DIRECT_BYTES,
	MD_P2P_READ_DIRECT_IOS,
	MD_P2P_READ_STAGED_BYTES,
	MD_P2P_READ_STAGED_IOS,
	MD_P2P_WRITE_DIRECT_BYTES,
	MD_P2P_WRITE_DIRECT_IOS,
	MD_P2P_WRITE_STAGED_BYTES,
	MD_P2P_WRITE_STAGED_IOS,
	MD_P2P_REFUSED_IOS,
	MD_P2P_REBUILD_PEER_BYTES,
	MD_P2P_REBUILD_HOST_BYTES,
	/* Of the member in each slot. */
	MD_P2P_MEMBER_READ_BYTES,
	MD_P2P_MEMBER_WRITE_BYTES = MD_P2P_MEMBER_READ_BYTES + MD_P2P_SLOTS,
	MD_P2P_COUNTERS = MD_P2P_MEMBER_WRITE_BYTES + MD_P2P_SLOTS
};

/* What happens to a peer bio: kmod/decide/route.rs. */
enum md_p2p_route {
	MD_P2P_DIRECT,
	MD_P2P_STAGED,
	MD_P2P_REFUSED,
	MD_P2P_CACHED,		/* staged by the stripe cache */
	MD_P2P_LATER		/* ask again about the member */
};

/*
 * The lock over all that changes rarely: arrays, members, providers. It may
 * be taken while an array is suspended, so nobody who holds it may wait for
 * I/O: memory is allocated as with GFP_NOIO until shim_unlock(). Returns what
 * shim_unlock() wants back. Sleeps.
 */
unsigned int shim_lock(void);
void shim_unlock(unsigned int noio);

/* RCU: a slot that is read under rcu_read_lock() and exchanged by anyone. */
void *shim_rcu_dereference(void **slot);
void *shim_rcu_exchange(void **slot, void *value);
void shim_rcu_synchronize(void);

/* Counters: NULL if there is no memory. */
struct md_p2p_counters *shim_counters_new(void);
void shim_counters_free(struct md_p2p_counters *counters);
void shim_counters_add(struct md_p2p_counters *counters,
		       enum md_p2p_counter which, u64 value);
u64 shim_counters_sum(const struct md_p2p_counters *counters,
		      enum md_p2p_counter which);
/* To zero, while nobody adds to it. */
void shim_counters_clear(struct md_p2p_counters *counters,
			 enum md_p2p_counter which);

/*
 * PCI devices. Those returned carry a reference for shim_pci_put();
 * shim_pci_next() starts with NULL and ends with NULL.
 */
struct pci_dev *shim_pci_next(struct pci_dev *from);
void shim_pci_get(struct pci_dev *dev);
void shim_pci_put(struct pci_dev *dev);
const char *shim_pci_name(const struct pci_dev *dev);
/* Domain, bus, device and function in one number: 32, 8, 5 and 3 bits. */
u64 shim_pci_id(struct pci_dev *dev);
/* Whether it takes part in P2PDMA: it may have peer pages, or only share BARs. */
bool shim_pci_has_p2pdma(struct pci_dev *dev);
/* Whether anyone may allocate its p2pmem: see pci_p2pmem_publish(). Sleeps. */
bool shim_pci_publishes(struct pci_dev *dev);
/* Whether it answers, with its memory: false once it has been pulled. */
bool shim_pci_answers(struct pci_dev *dev);
/*
 * The first peer pages of @bar at @from or behind: their first and last byte.
 * False if there are none.
 */
bool shim_pci_p2pmem(struct pci_dev *dev, unsigned int bar, u64 from,
		     u64 *start, u64 *end);
int shim_pci_distance(struct pci_dev *provider, struct pci_dev *client);

/* Members and arrays, for as long as MD holds them. */
/*
 * The PCI devices of which any may do the DMA of a member, each with a
 * reference for shim_pci_put(). Returns their number; 0 if they are not all
 * known, or more than @max, or no PCI devices. Sleeps.
 */
unsigned int shim_member_clients(struct md_rdev *rdev, struct pci_dev **clients,
				 unsigned int max);
bool shim_member_maps_peer(struct md_rdev *rdev);
bool shim_member_is_journal(struct md_rdev *rdev);
/* Journals and members beyond the last slot have one that is too large. */
void shim_member_set_slot(struct md_rdev *rdev, unsigned int slot);
/* The name of the member's block device. Returns its length. */
int shim_member_name(struct md_rdev *rdev, char *name, size_t size);
const char *shim_array_name(struct mddev *mddev);
int shim_array_level(struct mddev *mddev);
bool shim_array_runs(struct mddev *mddev);
/* False if the queue limits are locked: try again later. */
bool shim_array_advertise(struct mddev *mddev, bool advertise);

/* Host pages, and threads to copy; NULL if there is no memory. Both sleep. */
struct md_p2p_stager *shim_stager_new(struct mddev *mddev);
void shim_stager_free(struct md_p2p_stager *stager);

/*
 * Peer pages, side by side, each with one reference: their kernel address, or
 * NULL if the provider has no room, or no peer pages at the physical address
 * @window any more. Neither sleeps; shim_peer_pages_put() may be called from an
 * interrupt.
 */
void *shim_peer_pages_alloc(struct pci_dev *provider, u64 window,
			    unsigned int count);
void shim_peer_pages_put(void *first, unsigned int count);

u64 shim_random(void);
/* Of a clock that never goes back. */
u64 shim_milliseconds(void);

/* The module parameter p2pdma_rebuild_share: 0 to 100. */
unsigned int shim_rebuild_share(void);
int shim_rebuild_init(void);
void shim_rebuild_exit(void);

/* Whose names the kernel's md and ours are: see kmod/decide/names.rs. */
enum md_p2p_names {
	MD_P2P_OURS,
	MD_P2P_THEIRS,
	MD_P2P_TAKING,
	MD_P2P_WAITING,
	MD_P2P_LEFT,
};

enum md_p2p_event {
	MD_P2P_COMING,
	MD_P2P_GOING,
	MD_P2P_MOMENT,
	MD_P2P_TAKEN,
	MD_P2P_IN_THE_WAY,
	MD_P2P_IN_USE,
	MD_P2P_LEAVING,
};

int shim_names_take(void (*probe)(dev_t devt));
void shim_names_leave(void);
enum md_p2p_names md_p2p_glue_names(enum md_p2p_names names,
				    enum md_p2p_event event);

/* The physical address of the first peer page of @bio. */
u64 shim_peer_address(const struct bio *bio);
/* Whether what the CPU copies of @bio's peer pages, or into them, gets there. */
bool shim_answers(const struct md_p2p_array *array, const struct bio *bio);
/*
 * Takes @bio, which MD has not accounted for, through host pages and back into
 * the array, some time soon. Does not sleep.
 */
void shim_stage(struct md_p2p_stager *stager, struct bio *bio);
/*
 * If @bio is such a clone, or a part of one: the members' queues are to charge
 * the application's cgroup for it.
 */
void shim_charge(struct bio *bio);
/*
 * Takes a member's part of what MD has accounted for through host pages, some
 * time soon: the sectors of the application's bio from @offset on. @part is the
 * member's bio, which has not been submitted, or has failed. It comes back
 * to its bi_end_io, and shim_part() says how. Does not sleep.
 */
void shim_stage_part(struct md_p2p_stager *stager, struct md_io_clone *io,
		     struct bio *part, struct md_rdev *rdev, u64 to,
		     unsigned int offset, unsigned int sectors);
enum shim_part {
	SHIM_DIRECT,	/* it was not staged */
	SHIM_STAGED,	/* it was, at the first try; so it is below */
	SHIM_REPEATED,	/* it was, after it had failed */
	SHIM_LOST,	/* the provider has gone: it is not there, or half of it is */
};
enum shim_part shim_part(struct bio *part);
/*
 * Some time soon, in a thread that may sleep: MD is told that the members may
 * differ where @io is, and its clone ends once more. Does not sleep.
 */
void shim_settle(struct md_p2p_stager *stager, struct md_io_clone *io);
void shim_resync(struct md_io_clone *io);
/* Whether it can: an atomic write is never split, and may be too large. */
bool shim_can_stage(const struct bio *bio);

/* The module parameter p2pdma_policy, as md_p2p_glue_parse_policy() numbers. */
int shim_default_policy(void);

/* Calls md_p2p_glue_providers_changed() soon, from a workqueue. */
void shim_look_for_providers(void);

/* Rust, called by the shim. Addresses and lengths in bytes. */
struct md_p2p_array *md_p2p_glue_array_new(struct mddev *mddev);
void md_p2p_glue_array_free(struct md_p2p_array *array);
void md_p2p_glue_member_added(struct md_p2p_array *array, struct md_rdev *rdev);
void md_p2p_glue_member_removed(struct md_p2p_array *array,
				struct md_rdev *rdev);
void md_p2p_glue_array_started(struct md_p2p_array *array);
bool md_p2p_glue_advertises(const struct md_p2p_array *array, int level);
enum md_p2p_route md_p2p_glue_route(const struct md_p2p_array *array,
				    u64 address, int level, bool write);
enum md_p2p_route md_p2p_glue_route_member(const struct md_p2p_array *array,
					   u64 address, unsigned int slot);
enum md_p2p_route md_p2p_glue_route_cached(const struct md_p2p_array *array);
/* @mapped: the member could map the pages. */
enum md_p2p_route md_p2p_glue_route_again(const struct md_p2p_array *array,
					  bool write, bool mapped);
u64 md_p2p_glue_ring(const struct md_p2p_array *array, u64 address,
		     int *distance);
struct md_p2p_stager *md_p2p_glue_stager(const struct md_p2p_array *array);
void md_p2p_glue_count_refused(const struct md_p2p_array *array);
void md_p2p_glue_count(const struct md_p2p_array *array, bool write,
		       bool direct, u64 bytes);
void md_p2p_glue_count_member(const struct md_p2p_array *array,
			      unsigned int slot, bool write, u64 bytes);
/*
 * Whether the owner of a peer page is still there to give what is in it: 1 or 0,
 * below zero if it is not known whose page it is.
 */
int md_p2p_glue_answers(const struct md_p2p_array *array, u64 address);
/* A direct I/O with the member in a slot has worked, or only its repetition has. */
void md_p2p_glue_way_worked(const struct md_p2p_array *array, u64 address,
			    unsigned int slot);
void md_p2p_glue_way_failed(const struct md_p2p_array *array, u64 address,
			    unsigned int slot);
/* As shim_pci_id(); U32_MAX if the page is no known provider's. */
u64 md_p2p_glue_provider(const struct md_p2p_array *array, u64 address);
ssize_t md_p2p_glue_show_counter(const struct md_p2p_array *array,
				 enum md_p2p_counter which, char *page,
				 size_t size);
ssize_t md_p2p_glue_show_state(const struct md_p2p_array *array, bool running,
			       int level, char *page, size_t size);
ssize_t md_p2p_glue_show_reason(const struct md_p2p_array *array, char *page,
				size_t size);
ssize_t md_p2p_glue_show_policy(const struct md_p2p_array *array, char *page,
				size_t size);
bool md_p2p_glue_store_policy(struct md_p2p_array *array, const char *word,
			      size_t length);
int md_p2p_glue_parse_policy(const char *word, size_t length);
ssize_t md_p2p_glue_show_distance(const struct md_p2p_array *array,
				  const struct md_rdev *rdev, char *page,
				  size_t size);
ssize_t md_p2p_glue_show_member_bytes(const struct md_p2p_array *array,
				      unsigned int slot, bool write,
				      char *page, size_t size);
void md_p2p_glue_rebuild_starts(const struct md_p2p_array *array);
/*
 * A loan of peer pages for @bytes, to read them from the member in one slot and
 * write them to those whose bits are set, which are in sync already in a resync;
 * NULL if it is to be done through host pages. Does not sleep; nor do the other
 * calls about a loan.
 */
struct md_p2p_pages *md_p2p_glue_loan(const struct md_p2p_array *array,
				      unsigned int read, bool resync,
				      u64 written, size_t bytes);
/* The kernel address of the pages. */
void *md_p2p_glue_loan_pages(const struct md_p2p_pages *pages);
/* Whether what has been read is there. */
bool md_p2p_glue_loan_arrived(const struct md_p2p_pages *pages);
/* Whether it has been there ever since. */
bool md_p2p_glue_loan_kept(const struct md_p2p_pages *pages);
void md_p2p_glue_loan_end(struct md_p2p_pages *pages);
/* How a loan went, once for each: some of it failed, or all was well. */
void md_p2p_glue_loan_failed(const struct md_p2p_array *array);
void md_p2p_glue_loan_worked(const struct md_p2p_array *array);
void md_p2p_glue_count_rebuild(const struct md_p2p_array *array, bool peer,
			       u64 bytes);
ssize_t md_p2p_glue_show_provider(const struct md_p2p_array *array,
				  bool rebuilding, char *page, size_t size);
/* 0, -EINVAL if the word is none, -ENODEV if there is no such provider. */
int md_p2p_glue_store_provider(const struct md_p2p_array *array,
			       const char *word, size_t length);
void md_p2p_glue_providers_changed(void);
void md_p2p_glue_exit(void);

#endif /* MD_P2P_SHIM_H */
