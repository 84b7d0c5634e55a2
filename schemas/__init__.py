"""The vocabulary: Avro schemas, frozen values, the codec, topics as data, errors. Imports nothing of ours."""
