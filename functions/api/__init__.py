"""Managing functions from outside, as the vendor's clients do it, over the services of the console.

V1 knows a function as one object, the lambda, which is saved as a whole under a version. V2 has its
description and skills apart from its manifests, the versions of its code and variables. Only V1
looks at code when it is saved, because the vendor does: its drafts can hold nothing that a build
would refuse. Names and events are chosen once, in both. Source: `liveperson-contract.md` §3, §4.

Lists of functions hold all of them, as an account has no more than `services.MAX_FUNCTIONS`. Those
of versions and deployments come newest first, a page at a time; `before` asks for what follows.
"""
