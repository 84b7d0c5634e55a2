"""The bulk path: a table made anew from the journal, partition by partition in parallel processes, without Faust."""
