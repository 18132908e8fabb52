"""The desk: what staff do with a request, and how they find it. It stands over intake and knows no HTTP."""
