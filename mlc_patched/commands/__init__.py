"""The verbs, one module each: a request and a context in, a result out."""
