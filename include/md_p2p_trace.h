/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoint md_p2p:md_p2p_route: one event for each decision about I/O
 * from peer memory. kmod/shim/md_p2p.c makes it.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM md_p2p

#if !defined(MD_P2P_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MD_P2P_TRACE_H

#include <linux/blkdev.h>
#include <linux/tracepoint.h>

#include "shim.h"

TRACE_DEFINE_ENUM(MD_P2P_DIRECT);
TRACE_DEFINE_ENUM(MD_P2P_STAGED);
TRACE_DEFINE_ENUM(MD_P2P_REFUSED);

/*
 * @member is NULL if the decision is about all members of the array.
 * @provider is the number that shim_pci_id() returns.
 */
TRACE_EVENT(md_p2p_route,

	TP_PROTO(struct gendisk *array, struct block_device *member,
		 struct bio *bio, u64 provider, int route),

	TP_ARGS(array, member, bio, provider, route),

	TP_STRUCT__entry(
		__field(dev_t, array)
		__field(dev_t, member)
		__field(bool, write)
		__field(sector_t, sector)
		__field(unsigned int, bytes)
		__field(u64, provider)
		__field(int, route)
	),

	TP_fast_assign(
		__entry->array = disk_devt(array);
		__entry->member = member ? member->bd_dev : 0;
		__entry->write = op_is_write(bio_op(bio));
		__entry->sector = bio->bi_iter.bi_sector;
		__entry->bytes = bio->bi_iter.bi_size;
		__entry->provider = provider;
		__entry->route = route;
	),

	TP_printk("array %d:%d member %d:%d %s sector %llu bytes %u provider %04llx:%02x:%02x.%x %s",
		  MAJOR(__entry->array), MINOR(__entry->array),
		  MAJOR(__entry->member), MINOR(__entry->member),
		  __entry->write ? "write" : "read",
		  (unsigned long long)__entry->sector, __entry->bytes,
		  __entry->provider >> 16,
		  (unsigned int)(__entry->provider >> 8 & 0xff),
		  (unsigned int)(__entry->provider >> 3 & 0x1f),
		  (unsigned int)(__entry->provider & 7),
		  __print_symbolic(__entry->route,
				   { MD_P2P_DIRECT, "direct" },
				   { MD_P2P_STAGED, "staged" },
				   { MD_P2P_REFUSED, "refused" }))
);

#endif /* MD_P2P_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE md_p2p_trace
#include <trace/define_trace.h>
