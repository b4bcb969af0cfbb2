static void md_submit_bio(struct bio *bio)
{
	bio->bi_opf |= REQ_NOMERGE;
	bio->bi_opf &= ~REQ_RAHEAD;
	md_p2p_allow_merge(bio);

	md_handle_request(mddev, bio);
}

static bool narrow_write_error(struct r1bio *r1_bio, int i)
{
	wbio->bi_opf = REQ_OP_WRITE | REQ_NOMERGE;
	return true;
}
