// SPDX-License-Identifier: GPL-2.0
/*
 * Copies by the CPU from and to peer pages.
 *
 * Tests: the scenarios mix, staging and changing.
 */
#include <linux/bio.h>
#include <linux/export.h>
#include <linux/highmem.h>

#include "md_p2p_copy.h"

/*
 * p2pmem is mapped uncached: every access is a transaction on the bus, and
 * memcpy() may go byte by byte.
 */
static void copy_words(u64 *to, const u64 *from, size_t words)
{
	while (words--)
		WRITE_ONCE(*to++, READ_ONCE(*from++));
}

void md_p2p_copy(struct page *dest, size_t dest_offset, struct page *src,
		 size_t src_offset, size_t len)
{
	void *to = kmap_local_page(dest) + dest_offset;
	const void *from = kmap_local_page(src) + src_offset;

	if (IS_ALIGNED((unsigned long)to | (unsigned long)from | len, 8))
		copy_words(to, from, len / 8);
	else
		memcpy(to, from, len);
	kunmap_local(from);
	kunmap_local(to);
}
EXPORT_SYMBOL_GPL(md_p2p_copy);

void md_p2p_copy_data(struct bio *to, struct bvec_iter to_iter,
		      struct bio *from, struct bvec_iter from_iter)
{
	while (to_iter.bi_size && from_iter.bi_size) {
		struct bio_vec dest = bio_iter_iovec(to, to_iter);
		struct bio_vec src = bio_iter_iovec(from, from_iter);
		unsigned int len = min(dest.bv_len, src.bv_len);

		md_p2p_copy(dest.bv_page, dest.bv_offset, src.bv_page,
			    src.bv_offset, len);
		bio_advance_iter_single(to, &to_iter, len);
		bio_advance_iter_single(from, &from_iter, len);
	}
}
EXPORT_SYMBOL_GPL(md_p2p_copy_data);
