"""Jobs on encrypted tables: score rows, select variables, on data that the evaluator cannot read.

A *data owner* encrypts its table and keeps the secret key. An *evaluator* has the ciphertexts, the
evaluation keys, and sometimes a model of its own. A job says in advance what both do; its data are
streamed in blocks of rows, so a table may be larger than the memory.
"""
