/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CXVM_CXVM_H
#define CXVM_CXVM_H

/*
 * libcxvm: run microVMs with CXL Type-2 accelerators under KVM.
 *
 * A machine is one opaque struct cxvm. Its life: created -> (configured) -> running <-> paused ->
 * stopped.
 *
 *   struct cxvm *vm;
 *   struct cxvm_create_options options = { .size = sizeof(options), .log = my_log };
 *   struct cxvm_payload payload = { .size = sizeof(payload), .kernel = "vmlinuz" };
 *   struct cxvm_exit result = { .size = sizeof(result) };
 *
 *   cxvm_create(&vm, &options);
 *   cxvm_set_payload(vm, &payload);
 *   cxvm_run(vm, &result);
 *   cxvm_destroy(vm);
 *
 * Results: functions that return int give 0 (or a count) on success and a negative errno value on
 * failure; why is said through the log callback. The library never exits, never prints, installs no
 * signal handler, reads no environment variable and keeps no global state: any number of machines
 * can live in one process.
 *
 * Option structs start with `size`, which the caller sets to sizeof(the struct). A library that is
 * older than the caller accepts a longer struct when the part it does not know is zero, else it
 * returns -E2BIG; missing trailing members of an older caller count as zero. Zero (NULL, 0,
 * CXVM_DEFAULT) always means "the default". Strings and arrays are copied.
 *
 * Threads: a machine may be configured by one thread at a time. cxvm_pause(), cxvm_resume(),
 * cxvm_power_button(), cxvm_stop(), cxvm_get_state() and cxvm_get_counters() may be called from any
 * thread while another is in cxvm_run().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CXVM_API __attribute__((visibility("default")))
#else
#define CXVM_API
#endif

struct cxvm;

/* ------------------------------------------------------------------------------------------------
 * logging */

enum cxvm_log_level {
	CXVM_LOG_ERROR = 0,
	CXVM_LOG_WARNING = 1,
	CXVM_LOG_INFO = 2,
	CXVM_LOG_DEBUG = 3,
};

/*
 * @object: what the message is about ("vcpu0", "disk0", "config"); @message: one line without a
 * newline. Called from any thread of the machine: it must be thread-safe and must not call back
 * into the library.
 */
typedef void (*cxvm_log_callback)(void *opaque, enum cxvm_log_level level, const char *object,
				  const char *message);

/* ------------------------------------------------------------------------------------------------
 * life cycle */

enum cxvm_state {
	CXVM_STATE_CREATED = 0,
	CXVM_STATE_RUNNING = 1,
	CXVM_STATE_PAUSED = 2,
	CXVM_STATE_STOPPED = 3,
};

/* Why a machine stopped. The numbers are stable. */
enum cxvm_exit_reason {
	CXVM_EXIT_NONE = 0,     /* it has not stopped */
	CXVM_EXIT_POWEROFF = 1, /* the guest powered off (ACPI S5) */
	CXVM_EXIT_REBOOT = 2,   /* the guest asked for a reset (ACPI reset register, i8042) */
	CXVM_EXIT_PANIC = 3,    /* the guest reported a kernel panic (pvpanic) */
	CXVM_EXIT_CRASH = 4,    /* triple fault */
	CXVM_EXIT_STOPPED = 5,  /* cxvm_stop() */
	CXVM_EXIT_DEBUG = 6,    /* the debug-exit port; the value is in code */
	CXVM_EXIT_VMM_FAULT =
		7, /* KVM could not go on (emulation failure, a fault in guest memory) */
};

struct cxvm_exit {
	size_t size;
	enum cxvm_exit_reason reason;
	uint32_t code;     /* CXVM_EXIT_DEBUG: the value the guest wrote */
	char message[256]; /* one line for people, empty when there is nothing to add */
};

enum cxvm_toggle {
	CXVM_DEFAULT = 0,
	CXVM_ON = 1,
	CXVM_OFF = 2,
};

struct cxvm_create_options {
	size_t size;
	cxvm_log_callback log; /* NULL: silent */
	void *log_opaque;
	enum cxvm_log_level log_level; /* messages above it are not formatted */
	bool use_kvm_fd; /* take kvm_fd instead of opening /dev/kvm; the machine then owns it */
	int kvm_fd;
};

/* Returns 0, -EINVAL (NULL, size too small), -E2BIG, -ENOMEM. No resource of the host is touched
 * yet. */
CXVM_API int cxvm_create(struct cxvm **vm, const struct cxvm_create_options *options);

/* Stops it when it runs (in another thread: only after cxvm_run() has returned there) and frees it.
 * NULL is allowed. */
CXVM_API void cxvm_destroy(struct cxvm *vm);

/* ------------------------------------------------------------------------------------------------
 * configuration
 *
 * Only in CXVM_STATE_CREATED, else -EBUSY. They check what one struct can tell (-EINVAL, -E2BIG,
 * -ENOMEM); what needs the whole picture or the host is checked by cxvm_check() and by the start.
 */

struct cxvm_cpus {
	size_t size;
	uint32_t boot_vcpus; /* 1..64; default 1, or what the topology gives */
	/* The topology: sockets * cores * threads = boot_vcpus when any is given. */
	uint32_t sockets;
	uint32_t cores;         /* per socket */
	uint32_t threads;       /* per core, 1 or 2 */
	uint32_t max_phys_bits; /* cap of the guest's MAXPHYADDR; default: the host's */
	/* Comma-separated +name / -name on top of the host's: "-cx16,-xsave". */
	const char *features;
	/* "0@[0,2-3],1@[4]": vCPU@host CPUs, as cloud-hypervisor writes it. Each vCPU at most once;
	 * one that is not named may run anywhere. */
	const char *affinity;
};

struct cxvm_memory {
	size_t size;
	uint64_t bytes;             /* default 512 MiB; multiple of 2 MiB (of the hugepage size) */
	enum cxvm_toggle shared;    /* MAP_SHARED; default: on only when a device needs it */
	enum cxvm_toggle hugepages; /* hugetlb; default off */
	uint64_t hugepage_size;     /* 2 MiB (default) or 1 GiB */
	enum cxvm_toggle thp;       /* transparent huge pages; default on */
	enum cxvm_toggle prefault;  /* populate before the start; default off */
	uint32_t prefault_threads;  /* default: as many as host CPUs, at most 16 */
};

struct cxvm_numa_node {
	size_t size;
	uint32_t id;    /* 0.. without a hole */
	uint64_t bytes; /* memory of the node; the nodes' sum must be cxvm_memory.bytes */
	/* Its vCPUs: "0-1,4" or "[0-1,4]". When any node names some, every vCPU is in exactly one
	 * node. When none does, all are in node 0. */
	const char *cpus;
	bool bind; /* bind to host_node */
	uint32_t host_node;
};

struct cxvm_payload {
	size_t size;
	const char *kernel; /* bzImage or PVH ELF vmlinux, told apart by content */
	const char *initramfs;
	const char *cmdline;
};

struct cxvm_rate_limit {
	uint64_t bandwidth_size;           /* bytes per refill; 0: unlimited */
	uint64_t bandwidth_refill_time;    /* milliseconds */
	uint64_t bandwidth_one_time_burst; /* bytes, once */
	uint64_t ops_size;
	uint64_t ops_refill_time;
	uint64_t ops_one_time_burst;
};

struct cxvm_disk {
	size_t size;
	const char *id;   /* default "disk<N>" */
	const char *path; /* raw image or block device */
	bool readonly;
	bool direct;         /* O_DIRECT */
	uint32_t num_queues; /* default 1; at most boot_vcpus */
	uint32_t queue_size; /* default 128; power of two, 4 to 1024 */
	const char *serial;  /* at most 20 bytes; default: the id */
	struct cxvm_rate_limit rate_limit;
};

struct cxvm_net {
	size_t size;
	const char *id;  /* default "net<N>" */
	const char *tap; /* interface name; created when it does not exist and cxvm may */
	bool use_fd;     /* an open tap fd instead, owned by the machine */
	int fd;
	const char *mac;        /* default: made from id and tap, locally administered */
	uint16_t mtu;           /* default: the tap's */
	enum cxvm_toggle vhost; /* vhost-net; default: on when the host has it */
	uint32_t queue_size;    /* default 256; power of two, 16 to 1024 */
	struct cxvm_rate_limit rate_limit;
};

struct cxvm_vsock {
	size_t size;
	uint64_t cid;           /* >= 3 */
	const char *socket;     /* UNIX socket of the CONNECT protocol */
	enum cxvm_toggle vhost; /* vhost-vsock instead; default off */
};

enum cxvm_console_mode {
	CXVM_CONSOLE_DEFAULT = 0, /* serial: null, console: off */
	CXVM_CONSOLE_OFF = 1,     /* the guest has no such device */
	CXVM_CONSOLE_NULL = 2,
	CXVM_CONSOLE_STDIO =
		3, /* fds 0 and 1 of the process; the terminal's settings are the caller's */
	CXVM_CONSOLE_FILE = 4,
	CXVM_CONSOLE_PTY = 5,
	CXVM_CONSOLE_SOCKET = 6,
};

/* The 16550 serial port (ttyS0) and the virtio console (hvc0). */
struct cxvm_console {
	size_t size;
	enum cxvm_console_mode mode;
	const char *path; /* for FILE and SOCKET */
};

struct cxvm_rng {
	size_t size;
	enum cxvm_toggle enabled; /* default on */
};

struct cxvm_balloon {
	size_t size;
	/* Without cxvm_set_balloon() there is none; with it, the default is on. */
	enum cxvm_toggle enabled;
	uint64_t bytes;                       /* to take from the guest at the start */
	enum cxvm_toggle deflate_on_oom;      /* default on */
	enum cxvm_toggle free_page_reporting; /* default off */
};

enum cxvm_device_memory {
	CXVM_DEVICE_MEMORY_DEFAULT = 0, /* cxl */
	CXVM_DEVICE_MEMORY_CXL = 1,     /* the guest's driver owns the device memory */
	CXVM_DEVICE_MEMORY_NODE = 2,    /* the guest's page allocator does: a NUMA node */
};

/* A passed-through device: exactly one of vfio_user, path, fd. */
struct cxvm_device {
	size_t size;
	const char *id;        /* default "dev<N>" */
	const char *vfio_user; /* UNIX socket of a vfio-user server */
	const char *path;      /* "0000:01:00.0" or /sys/bus/pci/devices/... : kernel VFIO */
	bool use_fd;           /* an open VFIO device fd, owned by the machine */
	int fd;
	bool use_iommufd; /* an open /dev/iommu, owned by the machine */
	int iommufd;
	enum cxvm_device_memory memory;
	enum cxvm_toggle
		p2p; /* map device memory for DMA too; default on, a failure is a warning */
	enum cxvm_toggle noiommu; /* accept a device without an IOMMU: unsafe; default off */
	/* An open /dev/vfio/GROUP of the device that path names, owned by the machine: then only
	 * /dev/vfio/vfio is opened, which every user may. */
	bool use_group_fd;
	int group_fd;
};

enum cxvm_seccomp {
	CXVM_SECCOMP_DEFAULT = 0, /* on */
	CXVM_SECCOMP_ON = 1,      /* a forbidden system call ends the process */
	CXVM_SECCOMP_LOG = 2,     /* ... is logged by the kernel and allowed */
	CXVM_SECCOMP_OFF = 3,
};

struct cxvm_platform {
	size_t size;
	/* Filters are per thread. The threads that cxvm_run() starts have one each. The thread that
	 * calls it has none, because a filter would outlive the machine; it only gives up new
	 * privileges (PR_SET_NO_NEW_PRIVS). */
	enum cxvm_seccomp seccomp;
	enum cxvm_toggle boot_timer; /* log the codes the guest writes to port 0x80; default off */
	enum cxvm_toggle debug_exit; /* port 0xF4; default off */
	enum cxvm_toggle pvpanic;    /* default on */
	uint32_t power_off_grace_ms; /* cxvm_power_button() to forced stop; 0: never forced */
};

CXVM_API int cxvm_set_cpus(struct cxvm *vm, const struct cxvm_cpus *cpus);
CXVM_API int cxvm_set_memory(struct cxvm *vm, const struct cxvm_memory *memory);
CXVM_API int cxvm_add_numa_node(struct cxvm *vm, const struct cxvm_numa_node *node);
CXVM_API int cxvm_set_payload(struct cxvm *vm, const struct cxvm_payload *payload);
CXVM_API int cxvm_add_disk(struct cxvm *vm, const struct cxvm_disk *disk);
CXVM_API int cxvm_add_net(struct cxvm *vm, const struct cxvm_net *net);
CXVM_API int cxvm_set_vsock(struct cxvm *vm, const struct cxvm_vsock *vsock);
CXVM_API int cxvm_set_serial(struct cxvm *vm, const struct cxvm_console *serial);
CXVM_API int cxvm_set_console(struct cxvm *vm, const struct cxvm_console *console);
CXVM_API int cxvm_set_rng(struct cxvm *vm, const struct cxvm_rng *rng);
CXVM_API int cxvm_set_balloon(struct cxvm *vm, const struct cxvm_balloon *balloon);
CXVM_API int cxvm_add_device(struct cxvm *vm, const struct cxvm_device *device);
CXVM_API int cxvm_set_platform(struct cxvm *vm, const struct cxvm_platform *platform);

/*
 * The same in text, as the command line writes it: cxvm_set_option(vm, "disk",
 * "path=/a/b.img,readonly=on"). Sections: cpus, memory, numa, payload, disk, net, vsock, serial,
 * console, rng, balloon, device, platform. Of sections that exist once, only the named keys change;
 * sections that may occur several times (numa, disk, net, device) get one more.
 * Returns 0; -EINVAL with a message that names the key and what is allowed.
 */
CXVM_API int cxvm_set_option(struct cxvm *vm, const char *section, const char *text);

/*
 * A whole configuration as JSON (docs/configuration.md). Every problem is logged with its place,
 * not only the first; nothing is applied unless all of it is well formed. Returns 0 or -EINVAL.
 */
CXVM_API int cxvm_load_json(struct cxvm *vm, const char *text, size_t length);

/*
 * cxvm_check() - look at the whole configuration, with the rules of the start, and at the host
 * (files, permissions, KVM) without starting anything. Every problem is handed to @problem (may be
 * NULL) as one line with its cause and a fix. Returns the number of problems, or -errno when the
 * check itself failed.
 */
CXVM_API int cxvm_check(struct cxvm *vm, void (*problem)(void *opaque, const char *message),
			void *opaque);

/* Whether the serial port or the console is on fds 0 and 1, so that a program knows whether to put
 * its terminal into raw mode. False for NULL. */
CXVM_API bool cxvm_uses_stdio(const struct cxvm *vm);

enum cxvm_format {
	CXVM_FORMAT_TEXT = 0,
	CXVM_FORMAT_JSON = 1,
	CXVM_FORMAT_SVG = 2,
};

/*
 * cxvm_describe() - the guest physical map and the devices, as planned (CREATED) or as they are
 * (later). @text receives a string for the caller to free(). Returns 0, -EINVAL (format), -ENOMEM,
 * or what the planning said (-ENOSPC ...).
 */
CXVM_API int cxvm_describe(struct cxvm *vm, enum cxvm_format format, char **text);

/* ------------------------------------------------------------------------------------------------
 * running */

/*
 * cxvm_set_confine() - @confine(@opaque, @folders, @count) is called in the thread of cxvm_run(),
 * when everything that the machine needs of the host is open and before it has any other thread:
 * the place to give up what the process may do. In @folders (without a trailing "/", possibly
 * relative) the machine goes on removing its sockets and connecting to others; they are valid
 * during the call. A negative result ends cxvm_run() with it. NULL: nobody. Before cxvm_run();
 * returns 0, or -EBUSY after it.
 */
CXVM_API int cxvm_set_confine(struct cxvm *vm,
			      int (*confine)(void *opaque, const char *const *folders,
					     size_t count),
			      void *opaque);

/*
 * cxvm_run() - build the machine in the calling thread, start it and wait until it stops. Threads
 * of its own serve it. @result may be NULL. Allowed in CREATED only (-EBUSY). Returns 0 when the
 * machine ran, whatever its reason to stop was, or why it could not start: -EINVAL (configuration),
 * -ENOEXEC (kernel or initramfs refused), -ENODEV/-EACCES (KVM or a device), -ENOMEM, -ENOSPC (does
 * not fit the address space), or another errno that the log explains. The vCPU threads are named
 * vcpu0, vcpu1, ...; the calling thread must not hold locks that the log callback takes.
 */
CXVM_API int cxvm_run(struct cxvm *vm, struct cxvm_exit *result);

/* Stop all vCPUs and devices where they are / go on. 0, -EINVAL in a state that does not allow it.
 */
CXVM_API int cxvm_pause(struct cxvm *vm);
CXVM_API int cxvm_resume(struct cxvm *vm);

/* Press the ACPI power button. Returns 0, -EINVAL when it is not running. Async-signal-safe. */
CXVM_API int cxvm_power_button(struct cxvm *vm);

/* End cxvm_run() with CXVM_EXIT_STOPPED; the guest is not asked. Returns 0 in any state.
 * Async-signal-safe. */
CXVM_API int cxvm_stop(struct cxvm *vm);

CXVM_API enum cxvm_state cxvm_get_state(const struct cxvm *vm);

/*
 * An eventfd owned by the machine that becomes readable whenever the state changes; for poll(),
 * read it to clear it. Returns the fd or -errno.
 */
CXVM_API int cxvm_event_fd(struct cxvm *vm);

/* Exact counts since the start. */
struct cxvm_counters {
	size_t size;
	uint64_t exits; /* KVM_RUN returns, all vCPUs */
	uint64_t mmio_exits;
	uint64_t pio_exits;
	uint64_t unclaimed_accesses;          /* to addresses that nobody answers */
	uint64_t component_register_accesses; /* of CXL devices */
};
CXVM_API int cxvm_get_counters(const struct cxvm *vm, struct cxvm_counters *counters);

/* ------------------------------------------------------------------------------------------------
 * the host
 *
 * What of the host can be passed through, and how to make it so. No machine is needed. Each call
 * hands out one document in @text, in CXVM_FORMAT_TEXT or CXVM_FORMAT_JSON (docs/cli.md says what
 * is in it), for the caller to free(); it is NULL after -EINVAL, -E2BIG and -ENOMEM of the call
 * itself.
 */
struct cxvm_host_options {
	size_t size;
	const char *root;   /* folder that stands for "/"; default: this host */
	bool all;           /* list every device but bridges, not only accelerators */
	const char *driver; /* bind to this one; default: the one that fits the device */
};

/* Accelerators, devices bound to VFIO, their IOMMU groups, drivers and CXL facts, and why one is
 * not usable. @options may be NULL. Returns 0 or -errno. */
CXVM_API int cxvm_host_list(const struct cxvm_host_options *options, enum cxvm_format format,
			    char **text);

/* KVM, IOMMU, VFIO, driver, huge pages and the memory lock limit, each with a fix when it is not as
 * it should be. Returns the number of problems, or -errno. */
CXVM_API int cxvm_host_check(const struct cxvm_host_options *options, enum cxvm_format format,
			     char **text);

/*
 * cxvm_host_bind() - give @count devices ("0000:01:00.0") to VFIO: to cxl-vfio-pci when they are
 * CXL devices with memory, else to vfio-pci. cxvm_host_unbind() gives them back to the host's
 * drivers. When one is refused none is touched. Returns 0 or -errno, with the document saying why
 * and what would help: -EINVAL (no PCI address, a bridge), -ENOENT (no such device), -EPERM (not
 * root), -EBUSY (the host or a process uses it, or a device of its IOMMU group), -ENODEV (no
 * IOMMU), -ENXIO (the driver is not loaded), -EIO (the driver does not take the device; it has its
 * former one again).
 */
CXVM_API int cxvm_host_bind(const struct cxvm_host_options *options, const char *const *devices,
			    size_t count, enum cxvm_format format, char **text);
CXVM_API int cxvm_host_unbind(const struct cxvm_host_options *options, const char *const *devices,
			      size_t count, enum cxvm_format format, char **text);

/* "0.1.0"; static storage. */
CXVM_API const char *cxvm_version(void);

#ifdef __cplusplus
}
#endif

#endif
