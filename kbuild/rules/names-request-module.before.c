static void f(struct mddev *mddev, const char *clevel)
{
	if (request_module("md-%s", clevel) != 0)
		request_module("md-level-%s", clevel);
	request_module("md-cluster");
}
