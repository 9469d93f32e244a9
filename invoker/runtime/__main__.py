"""`python -m invoker.runtime`: the supervisor as a process of its own."""

from invoker.runtime.supervisor import main

main()
