/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The private ABI of respool_importer.ko: a device that imports dma-bufs. Each
 * open file is one attachment; closing it lets go of everything.
 *
 * -EBUSY if there is already what is asked for, -ENOENT if there is nothing to
 * undo, otherwise what the exporter says.
 */
#ifndef RESPOOL_IMPORTER_H
#define RESPOOL_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define IMPORTER_DEVICE		"/dev/respool_importer"
#define IMPORTER_MAGIC		0xb8

/* What is attached */
enum importer_kind {
	IMPORTER_PLAIN,
	IMPORTER_DYNAMIC,	/* is told when the buffer moves */
	IMPORTER_CACHED,	/* has a copy of what is mapped, where the kernel allows that */
};

/**
 * struct importer_attach - Attach to a dma-buf.
 * @fd: its descriptor
 * @kind: an &enum importer_kind
 */
struct importer_attach {
	__s32 fd;
	__u32 kind;
};

/**
 * struct importer_map - Map it for DMA, both ways.
 * @dma: out: the device's address of the first entry
 * @bytes: out: its length
 * @entries: out: how many entries there are
 * @reserved: 0
 */
struct importer_map {
	__u64 dma;
	__u64 bytes;
	__u32 entries;
	__u32 reserved;
};

/**
 * struct importer_access - Read and write a word as the kernel's CPU or the device does.
 * @offset: where, a multiple of 8 inside the buffer
 * @value: in: what is written; out: what was there before
 */
struct importer_access {
	__u64 offset;
	__u64 value;
};

#define IMPORTER_ATTACH		_IOW(IMPORTER_MAGIC, 0, struct importer_attach)
#define IMPORTER_DETACH		_IO(IMPORTER_MAGIC, 1)
#define IMPORTER_MAP		_IOR(IMPORTER_MAGIC, 2, struct importer_map)
#define IMPORTER_UNMAP		_IO(IMPORTER_MAGIC, 3)
#define IMPORTER_VMAP		_IO(IMPORTER_MAGIC, 4)
#define IMPORTER_VUNMAP		_IO(IMPORTER_MAGIC, 5)
#define IMPORTER_ACCESS		_IOWR(IMPORTER_MAGIC, 6, struct importer_access)
#define IMPORTER_TOLD		_IO(IMPORTER_MAGIC, 7)	/* returns how often it was told */
#define IMPORTER_STICK		_IO(IMPORTER_MAGIC, 8)	/* hold the reservation lock until killed */
#define IMPORTER_STUCK		_IO(IMPORTER_MAGIC, 9)	/* returns 1 if somebody holds it, else 0 */
#define IMPORTER_DMA_ACCESS	_IOWR(IMPORTER_MAGIC, 10, struct importer_access)

#endif /* RESPOOL_IMPORTER_H */
