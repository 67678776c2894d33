"""Power of experiments: how often each test errs when it is looked at again and again, and how soon it decides."""
