"""nqcodec beside other codecs, measured the same way: anchors, quality, curves, and the page that `nqtool compare`
makes of them.
"""
