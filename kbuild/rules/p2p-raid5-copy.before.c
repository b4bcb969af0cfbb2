static struct dma_async_tx_descriptor *
async_copy_data(int frombio, struct bio *bio, struct page **page,
	unsigned int poff, sector_t sector, struct dma_async_tx_descriptor *tx,
	struct stripe_head *sh, int no_skipcopy)
{
	if (frombio) {
		if (conf->skip_copy &&
		    b_offset == 0 && page_offset == 0 &&
		    !no_skipcopy)
			*page = bio_page;
		else
			tx = async_memcpy(*page, bio_page, page_offset + poff,
					  b_offset, clen, &submit);
	} else
		tx = async_memcpy(bio_page, *page, b_offset,
				  page_offset + poff, clen, &submit);
	return tx;
}

static void ops_run_compute(struct stripe_head *sh)
{
	tx = async_memcpy(xor_dest, xor_srcs[0], off_dest, off_srcs[0],
			  RAID5_STRIPE_SIZE(sh->raid_conf), &submit);
}
