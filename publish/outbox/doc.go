// Package outbox keeps accepted events until a broker has acknowledged them, on disk or in memory.
//
// # What is promised
//
// An event that Add took (nil) is in the store: with Disk it survives kill -9 and a power cut from then on. It leaves
// the store when Done is called for it, or when a bound makes it go, and then it is counted with the reason. At any time
//
//	Restored + Accepted == Delivered + Queued + all of Dropped
//
// Where the disk takes nothing (full, read-only, hanging), Add does not wait for it: the event is held in memory, within
// bounds of its own, is sent as any other, and is written when the disk is back. Add says so by ErrHeld, and such an
// event counts as accepted once it is written or delivered.
//
// # Order
//
// An event that came during the present connection is fresh for five seconds, and fresh ones go first, camera by camera
// in turn. All others are the backlog (they came while there was no connection, were sent without an acknowledgement, or
// are from an earlier run): it is drained at a bounded rate, again camera by camera in turn and the oldest of each
// first, so that no camera waits behind the thousand events of another.
//
// # Bounds
//
// Count, bytes and age are bounded. When the box is full the event of the lowest score goes, be it the new one. Age is
// not read from the wall clock, which jumps: the box has a clock of its own that runs while the program does, and at the
// start advances by what the wall clock says has passed, never backwards. Nothing expires in the first hour of a run, so
// that a wrong clock at boot cannot delete what the broker has not been offered yet.
//
// # The file
//
// Disk is one bbolt file, outbox.db, of mode 0600 in a folder of its own; outbox.lock beside it says that a program
// has it. An entry is the JSON of an event with camera, score and age, with a checksum or, if there is a key, sealed by
// XChaCha20-Poly1305. A file that is torn, or another program's, is renamed to outbox.db.corrupt-TIME and a new one begun;
// an entry that is damaged is dropped. A file sealed with another key is left alone, and Open fails. What was delivered
// is removed from the file, but its bytes may stay in free pages until they are written over: set a key if that matters.
package outbox
