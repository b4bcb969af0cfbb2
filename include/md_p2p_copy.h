/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copies by the CPU from and to peer pages: kmod/shim/copy.c.
 */
#ifndef MD_P2P_COPY_H
#define MD_P2P_COPY_H

#include <linux/async_tx.h>
#include <linux/bio.h>
#include <linux/memremap.h>

/* Copies within one page each. Either may be a peer page. */
void md_p2p_copy(struct page *dest, size_t dest_offset, struct page *src,
		 size_t src_offset, size_t len);
/* Copies like bio_copy_data(), but is fit for uncached memory. Sleeps. */
void md_p2p_copy_data(struct bio *to, struct bvec_iter to_iter,
		      struct bio *from, struct bvec_iter from_iter);

/*
 * async_memcpy() may hand both pages to a DMA engine, and nobody has asked
 * whether that engine reaches the provider. So the CPU copies a peer page.
 */
static inline struct dma_async_tx_descriptor *
md_p2p_async_memcpy(struct page *dest, struct page *src,
		    unsigned int dest_offset, unsigned int src_offset,
		    size_t len, struct async_submit_ctl *submit)
{
	if (likely(!is_pci_p2pdma_page(dest) && !is_pci_p2pdma_page(src)))
		return async_memcpy(dest, src, dest_offset, src_offset, len,
				    submit);

	/* What was queued before this copy may still be writing to its pages. */
	async_tx_quiesce(&submit->depend_tx);
	md_p2p_copy(dest, dest_offset, src, src_offset, len);
	if (submit->cb_fn)
		submit->cb_fn(submit->cb_param);
	return NULL;
}

#endif /* MD_P2P_COPY_H */
