// Functions that Go exports to reader.cpp. A feed is a stream of bytes that Go reads from the network.
#ifndef FACESIEVE_CAPTURE_FEED_H
#define FACESIEVE_CAPTURE_FEED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// captureFeedRead returns the number of bytes, 0 at the end, -1 on a fault.
extern int captureFeedRead(uintptr_t feed, uint8_t *buffer, int size);
// captureFeedOpen opens another address of the feed's server, from byte offset to byte end (0: the whole rest). It
// returns 0 if the address is not allowed or cannot be opened.
extern uintptr_t captureFeedOpen(uintptr_t feed, char *url, int64_t offset, int64_t end);
extern void captureFeedClose(uintptr_t feed);

#ifdef __cplusplus
}
#endif
#endif
