"""The same work done with other packages. Each is used as its documentation says; none is needed to run the others."""
