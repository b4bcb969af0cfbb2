// SPDX-License-Identifier: GPL-2.0
// What: The stripe cache copies peer pages with the CPU, and never uses a peer page as its own.
// Why: async_memcpy() may hand both pages to a DMA engine that does not reach the provider. A page that is not copied
//   goes on to parity, which may be offloaded too.
// Since: 7.2
// Matches: raid5.c 3
// Fixture: 3
@from_bio@
identifier stripe_page, bio_page;
expression list rest;
position p;
@@
-async_memcpy@p(*stripe_page, bio_page, rest)
+md_p2p_async_memcpy(*stripe_page, bio_page, rest)

@to_bio@
identifier stripe_page, bio_page;
expression list rest;
position p;
@@
-async_memcpy@p(bio_page, *stripe_page, rest)
+md_p2p_async_memcpy(bio_page, *stripe_page, rest)

@skip@
expression conf, offset;
position p;
@@
-conf->skip_copy@p && offset == 0
+conf->skip_copy && !is_pci_p2pdma_page(bio_page) && offset == 0
