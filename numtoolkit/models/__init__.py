"""Networks: what turns a callable of (state, time) into something a scheme can run on."""
