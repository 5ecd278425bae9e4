"""Poses of very many images and videos: shards of a folder, or a cluster by Ray Data."""
