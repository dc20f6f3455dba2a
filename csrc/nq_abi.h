// What every exported function of libnq and libnq_cuda shares: visibility and the version of the C interface.
#pragma once

#define NQ_API extern "C" __attribute__((visibility("default")))

// Raised with every change of an exported signature or structure; nqcodec/_native.py holds the same number.
constexpr int kNqAbiVersion = 1;
