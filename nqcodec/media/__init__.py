"""Video outside of the codec: frames, clips, readers and writers, colour, metrics, scene cuts.

Nothing here knows of networks.
"""
