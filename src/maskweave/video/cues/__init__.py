"""What hints at where an object is, in numbers that soft masks are sums of."""
