"""Pages around accounts, one module for each thing that people do there."""
