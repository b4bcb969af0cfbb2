MODULE_LICENSE("GPL");
MODULE_ALIAS("p2p-md-personality-4"); /* RAID5 */
MODULE_ALIAS("p2p-raid5");
