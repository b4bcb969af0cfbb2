/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The border between C and Rust. bindgen reads this header alone, so it names
 * structures of the kernel but never looks into them.
 *
 * shim_*: what Rust may call in C, because it needs macros or inline functions.
 * The C files behind it never call Rust.
 * md_p2p_glue_*: what C may call in Rust, because it is a decision.
 */
#ifndef MD_P2P_SHIM_H
#define MD_P2P_SHIM_H

#include <linux/types.h>

struct md_p2p_array;
struct md_p2p_counters;
struct md_p2p_engine;
struct md_p2p_pages;
struct md_p2p_stager;
struct md_rdev;
struct mddev;
struct pci_dev;

/* The number of members that have a slot: see kmod/decide/reach.rs. */
#define MD_P2P_SLOTS 64

/* An array has each of these counters once a CPU. The unit is in the name. */
enum md_p2p_counter {
	MD_P2P_READ_DIRECT_BYTES,
	MD_P2P_READ_DIRECT_IOS,
	MD_P2P_READ_STAGED_BYTES,
	MD_P2P_READ_STAGED_IOS,
	MD_P2P_WRITE_DIRECT_BYTES,
	MD_P2P_WRITE_DIRECT_IOS,
	MD_P2P_WRITE_STAGED_BYTES,
	MD_P2P_WRITE_STAGED_IOS,
	MD_P2P_STAGED_ENGINE_BYTES,
	MD_P2P_REFUSED_IOS,
	MD_P2P_REBUILD_PEER_BYTES,
	MD_P2P_REBUILD_HOST_BYTES,
	/* Of the member in each slot. */
	MD_P2P_MEMBER_READ_BYTES,
	MD_P2P_MEMBER_WRITE_BYTES = MD_P2P_MEMBER_READ_BYTES + MD_P2P_SLOTS,
	MD_P2P_COUNTERS = MD_P2P_MEMBER_WRITE_BYTES + MD_P2P_SLOTS
};

/* What happens to a peer bio: see kmod/decide/route.rs. */
enum md_p2p_route {
	MD_P2P_DIRECT,
	MD_P2P_STAGED,
	MD_P2P_REFUSED,
	MD_P2P_LATER		/* ask again about the member */
};

/* Who has the names that exist only once: see kmod/decide/names.rs. */
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

/* kmod/shim/helpers.c */

/*
 * Takes the lock over all that changes rarely: arrays, members, providers. It
 * may be taken while an array is suspended, so its holder must not wait for
 * I/O: memory is allocated as with GFP_NOIO until shim_unlock(). Returns what
 * shim_unlock() wants back. Sleeps.
 */
unsigned int shim_lock(void);
void shim_unlock(unsigned int noio);

/* RCU: a slot is read under rcu_read_lock(), and anyone may exchange it. */
void *shim_rcu_dereference(void **slot);
void *shim_rcu_exchange(void **slot, void *value);
void shim_rcu_synchronize(void);

/* Returns the milliseconds of a clock that never goes back. */
u64 shim_milliseconds(void);
u64 shim_random(void);

/* kmod/shim/counters.c */

/* Returns NULL if there is no memory. */
struct md_p2p_counters *shim_counters_new(void);
void shim_counters_free(struct md_p2p_counters *counters);
void shim_counters_add(struct md_p2p_counters *counters,
		       enum md_p2p_counter which, u64 value);
u64 shim_counters_sum(const struct md_p2p_counters *counters,
		      enum md_p2p_counter which);
/* Sets a counter to zero, while nobody adds to it. */
void shim_counters_clear(struct md_p2p_counters *counters,
			 enum md_p2p_counter which);

/* kmod/shim/pci.c */

/*
 * Returns the next PCI device of the machine, with a reference for
 * shim_pci_put(). It starts with NULL and ends with NULL.
 */
struct pci_dev *shim_pci_next(struct pci_dev *from);
void shim_pci_get(struct pci_dev *dev);
void shim_pci_put(struct pci_dev *dev);
const char *shim_pci_name(const struct pci_dev *dev);
/* Returns domain, bus, device and function: 32, 8, 5 and 3 bits. */
u64 shim_pci_id(struct pci_dev *dev);
/* Tells whether it takes part in P2PDMA. It may only share BARs. */
bool shim_pci_has_p2pdma(struct pci_dev *dev);
/* Tells whether anyone may allocate its p2pmem: pci_p2pmem_publish(). Sleeps. */
bool shim_pci_publishes(struct pci_dev *dev);
/* Tells whether it answers, with its memory: false once it has been pulled. */
bool shim_pci_answers(struct pci_dev *dev);
/*
 * Finds the first peer pages of @bar at @from or behind: their first and last
 * byte. Returns false if there are none.
 */
bool shim_pci_p2pmem(struct pci_dev *dev, unsigned int bar, u64 from,
		     u64 *start, u64 *end);
/* Returns pci_p2pdma_distance(), below zero if it is unreachable. Sleeps. */
int shim_pci_distance(struct pci_dev *provider, struct pci_dev *client);
/* Has the providers looked up anew, soon, in a workqueue. Does not sleep. */
void shim_look_for_providers(void);

/* kmod/shim/engine.c: DMA engines that copy what is staged */

/*
 * Finds the DMA engine nearest to @provider that reaches its memory, and returns
 * it with a reference. Returns NULL if there is none. Sleeps.
 */
struct md_p2p_engine *shim_engine_find(struct pci_dev *provider);
void shim_engine_get(struct md_p2p_engine *engine);
void shim_engine_put(struct md_p2p_engine *engine);
/* Tells whether it copies. If not, it does so never again. */
bool shim_engine_is_there(const struct md_p2p_engine *engine);
/*
 * Tells whether its driver has it still, and it may copy for @provider, if it
 * copies at all. Sleeps.
 */
bool shim_engine_serves(const struct md_p2p_engine *engine,
			struct pci_dev *provider);
/* Returns the name of its channel, such as dma0chan0, and of its device. */
const char *shim_engine_channel(const struct md_p2p_engine *engine);
const char *shim_engine_device(const struct md_p2p_engine *engine);

/* kmod/shim/p2pmem.c */

/*
 * Allocates peer pages that lie side by side, each with one reference. Returns
 * their kernel address, or NULL if the provider has no room, or has no peer
 * pages at the physical address @window any more. Does not sleep.
 */
void *shim_peer_pages_alloc(struct pci_dev *provider, u64 window,
			    unsigned int count);
/* Gives the pages back. May be called from an interrupt. */
void shim_peer_pages_put(void *first, unsigned int count);
/* Returns the module parameter p2pdma_rebuild_share: 0 to 100. */
unsigned int shim_rebuild_share(void);

/* kmod/shim/members.c: members and arrays, for as long as MD holds them */

/*
 * Finds the PCI devices of which any may do the DMA of a member, each with a
 * reference for shim_pci_put(). Returns their number. It is 0 if they are not
 * all known, if they are more than @max, or if they are no PCI devices. Sleeps.
 */
unsigned int shim_member_clients(struct md_rdev *rdev, struct pci_dev **clients,
				 unsigned int max);
bool shim_member_maps_peer(struct md_rdev *rdev);
bool shim_member_is_journal(struct md_rdev *rdev);
/* A journal, and a member beyond the last slot, has a slot that is too large. */
void shim_member_set_slot(struct md_rdev *rdev, unsigned int slot);
/* Writes the name of the member's block device. Returns its length. */
int shim_member_name(struct md_rdev *rdev, char *name, size_t size);
const char *shim_array_name(struct mddev *mddev);
int shim_array_level(struct mddev *mddev);
bool shim_array_runs(struct mddev *mddev);
/* Returns false if the queue limits are locked: try again later. */
bool shim_array_advertise(struct mddev *mddev, bool advertise);

/* kmod/shim/stager.c: host pages and threads, NULL without memory. Both sleep. */

struct md_p2p_stager *shim_stager_new(struct mddev *mddev);
void shim_stager_free(struct md_p2p_stager *stager);

/* kmod/glue.rs: called by C. Addresses and lengths are in bytes. */

/* Makes an array with the policy of this number; NULL without memory. */
struct md_p2p_array *md_p2p_glue_array_new(struct mddev *mddev, int policy);
void md_p2p_glue_array_free(struct md_p2p_array *array);
void md_p2p_glue_member_added(struct md_p2p_array *array, struct md_rdev *rdev);
void md_p2p_glue_member_removed(struct md_p2p_array *array,
				struct md_rdev *rdev);
void md_p2p_glue_array_started(struct md_p2p_array *array);
bool md_p2p_glue_advertises(const struct md_p2p_array *array);
enum md_p2p_route md_p2p_glue_route(const struct md_p2p_array *array,
				    u64 address, int level, bool write);
enum md_p2p_route md_p2p_glue_route_member(const struct md_p2p_array *array,
					   u64 address, unsigned int slot);
enum md_p2p_route md_p2p_glue_route_copied(const struct md_p2p_array *array);
/* @mapped: the member could map the pages. */
enum md_p2p_route md_p2p_glue_route_again(const struct md_p2p_array *array,
					  bool write, bool mapped);
u64 md_p2p_glue_ring(const struct md_p2p_array *array, u64 address,
		     int *distance);
struct md_p2p_stager *md_p2p_glue_stager(const struct md_p2p_array *array);
/*
 * Returns the DMA engine that is to copy from or to a peer page, with a reference
 * for shim_engine_put(). Returns NULL if the CPU is to copy.
 */
struct md_p2p_engine *md_p2p_glue_engine(const struct md_p2p_array *array,
					 u64 address);
/* An engine has been tried, and has copied; or it has failed. */
void md_p2p_glue_engine_tried(const struct md_p2p_array *array, u64 address,
			      bool copied);
void md_p2p_glue_count_refused(const struct md_p2p_array *array);
/* Of the staged bytes, those that an engine has copied. */
void md_p2p_glue_count_engine(const struct md_p2p_array *array, u64 bytes);
void md_p2p_glue_count(const struct md_p2p_array *array, bool write,
		       bool direct, u64 bytes);
void md_p2p_glue_count_member(const struct md_p2p_array *array,
			      unsigned int slot, bool write, u64 bytes);
/*
 * Returns 1 if the owner of a peer page is still there to give what is in it,
 * and 0 if not. Returns a number below zero if the owner is not known.
 */
int md_p2p_glue_answers(const struct md_p2p_array *array, u64 address);
/* Direct I/O with the member in a slot has worked; or only its repetition has. */
void md_p2p_glue_way_worked(const struct md_p2p_array *array, u64 address,
			    unsigned int slot);
void md_p2p_glue_way_failed(const struct md_p2p_array *array, u64 address,
			    unsigned int slot);
/* Returns shim_pci_id(), or U32_MAX if the page is no known provider's. */
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
/* Returns the number of a policy's word, below zero if it is no such word. */
int md_p2p_glue_parse_policy(const char *word, size_t length);
ssize_t md_p2p_glue_show_distance(const struct md_p2p_array *array,
				  const struct md_rdev *rdev, char *page,
				  size_t size);
ssize_t md_p2p_glue_show_member_bytes(const struct md_p2p_array *array,
				      unsigned int slot, bool write,
				      char *page, size_t size);
ssize_t md_p2p_glue_show_staging(const struct md_p2p_array *array, char *page,
				 size_t size);
void md_p2p_glue_rebuild_starts(const struct md_p2p_array *array);
/*
 * Lends peer pages for @bytes that are read from the member in the slot @read.
 * They are written to the members whose bits are set in @written, which are in
 * sync already in a resync. Returns NULL if the data are to pass through host
 * pages. Does not sleep; nor do the other calls about a loan.
 */
struct md_p2p_pages *md_p2p_glue_loan(const struct md_p2p_array *array,
				      unsigned int read, bool resync,
				      u64 written, size_t bytes);
/* Returns the kernel address of the pages. */
void *md_p2p_glue_loan_pages(const struct md_p2p_pages *pages);
/* Tells whether what has been read is there. */
bool md_p2p_glue_loan_arrived(const struct md_p2p_pages *pages);
/* Tells whether it has been there ever since. */
bool md_p2p_glue_loan_kept(const struct md_p2p_pages *pages);
void md_p2p_glue_loan_end(struct md_p2p_pages *pages);
/* How a loan went, once for each: some of it failed, or all was well. */
void md_p2p_glue_loan_failed(const struct md_p2p_array *array);
void md_p2p_glue_loan_worked(const struct md_p2p_array *array);
void md_p2p_glue_count_rebuild(const struct md_p2p_array *array, bool peer,
			       u64 bytes);
ssize_t md_p2p_glue_show_provider(const struct md_p2p_array *array,
				  bool rebuilding, char *page, size_t size);
/* Returns 0, -EINVAL if it is no such word, -ENODEV if no such provider is there. */
int md_p2p_glue_store_provider(const struct md_p2p_array *array,
			       const char *word, size_t length);
void md_p2p_glue_providers_changed(void);
enum md_p2p_names md_p2p_glue_names(enum md_p2p_names names,
				    enum md_p2p_event event);
void md_p2p_glue_exit(void);

#endif /* MD_P2P_SHIM_H */
