static void f(struct mddev *mddev, const char *clevel)
{
	if (request_module("p2p-md-%s", clevel) != 0)
		request_module("p2p-md-level-%s", clevel);
	request_module("md-cluster-p2p");
}
