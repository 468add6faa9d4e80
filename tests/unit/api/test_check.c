/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/api/api_log.h"
#include "vmm/api/vm.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Longer than a socket's path may be, and than the command line of a PVH kernel. */
#define TEN       "0123456789"
#define LONG_NAME TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LINE_256                                                                                   \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                         \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                         \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                         \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_LINE LINE_256 LINE_256 LINE_256 LINE_256 LINE_256 LINE_256 LINE_256 LINE_256

/* Every problem that vmm/config knows, provoked by a configuration; all problems of a configuration
 * are told, and each names what it is about. Rules hold for check and start alike; probes look at
 * the host, which the start does by itself. */
static char folder[64];
static struct api_log log_;

struct found {
	unsigned int count;
	size_t used;
	char text[16384];
};

static void collect(void *opaque, const char *message)
{
	struct found *found = opaque;

	found->count++;
	if (found->used < sizeof(found->text))
		found->used += (size_t)snprintf(found->text + found->used,
						sizeof(found->text) - found->used, "%s\n", message);
}

static const char *path_of(const char *name)
{
	static char paths[8][128];
	static unsigned int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void make_file(const char *name, const void *bytes, size_t length, off_t size)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, bytes, length), (ssize_t)length);
	cr_assert_eq(ftruncate(fd, size), 0);
	close(fd);
}

/* An ELF kernel that is loaded at 16 to 48 MiB. */
static void make_pvh(void)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr load, note;
		Elf64_Nhdr entry; /* XEN_ELFNOTE_PHYS32_ENTRY */
		char owner[4];
		uint32_t address;
	} file = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_phoff = sizeof(Elf64_Ehdr),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 2},
		.load = {.p_type = PT_LOAD,
			 .p_offset = 4096,
			 .p_filesz = 4096,
			 .p_paddr = 16 << 20,
			 .p_memsz = 32 << 20},
		.note = {.p_type = PT_NOTE,
			 .p_offset = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr),
			 .p_filesz = sizeof(Elf64_Nhdr) + 8},
		.entry = {4, 4, 18},
		.owner = "Xen",
		.address = 16 << 20,
	};

	make_file("pvh", &file, sizeof(file), 8192);
}

static int serve_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of("served"));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

static int served_fd;

static void begin(void)
{
	strcpy(folder, "/tmp/cxvm-check-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	make_file("text", "not a kernel at all", 19, 8192);
	make_file("empty", "", 0, 0);
	make_file("elf", "\177ELF", 4, 8192);
	make_file("disk", "", 0, 1 << 20);
	make_file("odd", "", 0, 1000);
	make_file("huge", "", 0, (off_t)1 << 40);
	make_pvh();
	served_fd = serve_socket();
	api_log_create(&log_);
}

static void end(void)
{
	static const char *const names[] = {"text", "empty", "elf", "disk",
					    "odd",  "huge",  "pvh", "served"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	close(served_fd);
	rmdir(folder);
	cxvm_destroy(log_.vm);
}

TestSuite(check, .init = begin, .fini = end);

/* "%" in a value is the folder. */
static void set(const char *section, const char *text)
{
	char value[4096];
	size_t used = 0;

	for (; *text; text++)
		used += (size_t)snprintf(value + used, sizeof(value) - used,
					 *text == '%' ? "%s" : "%.1s",
					 *text == '%' ? folder : text);
	cr_assert_eq(cxvm_set_option(log_.vm, section, value), 0, "%s %s: %s", section, value,
		     log_.text);
}

static void must_say(const char *wanted)
{
	static struct found found;
	int count;

	memset(&found, 0, sizeof(found));
	count = cxvm_check(log_.vm, collect, &found);
	cr_assert_eq(count, (int)found.count);
	cr_assert_eq(count, cxvm_check(log_.vm, NULL, NULL), "without a listener it counts alike");
	cr_assert(strstr(found.text, wanted), "no '%s' in:\n%s", wanted, found.text);
}

struct problem_case {
	const char *section, *text, *section_2, *text_2, *says;
};

static const struct problem_case rules[] = {
	{"payload", "cmdline=x", NULL, NULL, "payload: no kernel is given"},
	{"cpus", "65", NULL, NULL, "cpus: 65 vCPUs; use 1 to 64"},
	{"cpus", "6,threads=3", NULL, NULL, "cpus: 3 threads per core"},
	{"cpus", "4,sockets=3", NULL, NULL, "sockets * cores * threads"},
	{"cpus", "4,sockets=1,cores=3", NULL, NULL, "sockets * cores * threads"},
	{"cpus", "boot=1,sockets=65536,cores=65536,threads=65536", NULL, NULL,
	 "sockets * cores * threads"},
	{"cpus", "sockets=65536,cores=65536", NULL, NULL, "sockets * cores * threads"},
	{"cpus", "features=+teapot", NULL, NULL, "'teapot' is not known"},
	{"cpus", "max_phys_bits=35", NULL, NULL, "max_phys_bits=35; use 36 to 52"},
	{"cpus", "max_phys_bits=53", NULL, NULL, "max_phys_bits=53; use 36 to 52"},
	{"memory", "1", NULL, NULL, "size must be a multiple of 2 MiB"},
	{"memory", "1G,hugepage_size=4M", NULL, NULL, "hugepage_size must be 2M or 1G"},
	{"memory", "3M,hugepages=on,hugepage_size=1G", NULL, NULL, "multiple of 1024 MiB"},
	{"numa", "guest_numa_id=1,size=512M", NULL, NULL, "number the nodes 0, 1"},
	{"numa", "guest_numa_id=0,size=1M", NULL, NULL, "numa[0]: size must be a multiple"},
	{"numa", "guest_numa_id=0,size=256M", NULL, NULL, "the nodes have 256 MiB together"},
	{"disk", "%/disk,queue_size=100", NULL, NULL, "queue_size=100; use a power of two"},
	{"disk", "%/disk,queue_size=2048", NULL, NULL, "queue_size=2048"},
	{"disk", "%/disk,queue_size=1", NULL, NULL, "queue_size=1;"},
	{"disk", "%/disk,num_queues=2", NULL, NULL, "more than there are vCPUs"},
	{"disk", "%/disk,serial=123456789012345678901", NULL, NULL, "longer than 20 bytes"},
	{"disk", "%/disk,bw_size=1M", NULL, NULL, "bw_size needs bw_refill_time"},
	{"disk", "%/disk,ops_size=1", NULL, NULL, "ops_size needs ops_refill_time"},
	{"disk", "readonly=on", NULL, NULL, "no path is given"},
	{"net", "tap0,fd=1000", NULL, NULL, "give tap or fd, not both"},
	{"net", "a-name-that-is-too-long", NULL, NULL, "longer than an interface name"},
	{"net", "tap0,mac=52:54", NULL, NULL, "not a unicast MAC"},
	{"net", "tap0,mac=53:54:00:00:00:01", NULL, NULL, "not a unicast MAC"},
	{"net", "tap0,mac=52:54:00:00:00:01:02", NULL, NULL, "not a unicast MAC"},
	{"net", "tap0,mtu=67", NULL, NULL, "mtu=67"},
	{"net", "tap0,queue_size=3", NULL, NULL, "net[0]: queue_size=3"},
	{"net", "tap0,mac=52:54:00:00:00:0a", "net", "tap1,mac=52:54:00:00:00:0A", "used twice"},
	{"vsock", "cid=2,socket=/x", NULL, NULL, "vsock: cid=2"},
	{"vsock", "cid=4294967295,socket=/x", NULL, NULL, "vsock: cid=4294967295"},
	{"vsock", "cid=3", NULL, NULL, "vsock: give socket=PATH"},
	{"serial", "mode=file", NULL, NULL, "serial: mode file or socket needs a path"},
	{"console", "mode=socket", NULL, NULL, "console: mode file or socket needs a path"},
	{"serial", "tty", "console", "tty", "cannot both be on the terminal"},
	{"serial", "file=/x", "console", "file=/x", "serial and console have the same path"},
	{"disk", "%/disk,id=a", "net", "tap0,id=a", "id a is used twice"},
	{"device", "id=x", NULL, NULL, "give exactly one of vfio-user=SOCKET, path=DEVICE and fd"},
	{"device", "path=0000:00:00.0,fd=1000", NULL, NULL, "give exactly one of"},
	{"device", "fd=1000,group_fd=1001", NULL, NULL, "group_fd goes with path"},
	{"device", "path=0000:00:00.0,group_fd=1000,iommufd=1001", NULL, NULL, "without iommufd"},
	{"cpus", "sockets=65536,threads=65536", NULL, NULL, "sockets * cores * threads"},
	{"cpus", "boot=4294967295,sockets=65536,cores=65537", NULL, NULL, "sockets * cores"},
	{"cpus", "2,affinity=0@[", NULL, NULL, "affinity=0@[: the closing bracket is missing"},
	{"cpus", "2,affinity=[0@[1],0@[2]]", NULL, NULL, "a vCPU is there twice"},
	{"cpus", "2,affinity=[0@[1],2@[2]]", NULL, NULL, "affinity names vCPU 2, but there are 2"},
	{"cpus", "max_phys_bits=36", "memory", "128G", "memory: "},
	{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=foo", "numa[0]: cpus=foo: a number"},
	{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=[0-1", "bracket is missing"},
	{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=[1-0]", "ends before it begins"},
	{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=[0,9]", "vCPU 9 of 2 does not exist"},
	{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=[0,0-1]", "is there twice"},
	{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=[1]", "vCPU 0 is in no node"},
	{"cpus", "2", "numa", "guest_numa_id=70,size=512M,cpus=[0-1]", "guest_numa_id is 70"},
	{"numa", "guest_numa_id=0,size=256M,cpus=[0]", "numa", "guest_numa_id=1,size=256M,cpus=0",
	 "numa[1]: cpus: vCPU 0 is in an earlier node"},
	{"numa", "guest_numa_id=0,size=16777215T", "numa", "guest_numa_id=1,size=1099512676352M",
	 "MiB together"},
	{"disk", "%/disk,queue_size=2", NULL, NULL, "queue_size=2; use a power of two from 4"},
	{"disk", "%/disk,queue_size=65664", NULL, NULL, "queue_size=65664;"},
	{"disk", "%/disk,num_queues=65537", NULL, NULL, "num_queues=65537 is more"},
	{"net", "tap0,queue_size=8", NULL, NULL, "queue_size=8; use a power of two from 16"},
	{"net", "tap0,mac=52:54:00:00:00:0g", NULL, NULL, "not a unicast MAC"},
	{"balloon", "513M", NULL, NULL, "balloon: 513 MiB, but guest RAM has only 512 MiB"},
	{"balloon", "4097", NULL, NULL, "balloon: size must be a multiple of 4 KiB"},
	{"serial", "socket=/" LONG_NAME, NULL, NULL, "serial: the path of the socket is longer"},
	{"console", "socket=/" LONG_NAME, NULL, NULL, "console: the path of the socket is longer"},
	{"vsock", "cid=3,socket=/" LONG_NAME, NULL, NULL,
	 "vsock: the path of the socket is longer"},
	{"device", "vfio-user=/" LONG_NAME, NULL, NULL, "vfio-user socket is too long"},
};

static const struct problem_case probes[] = {
	{"payload", "%/nothing", NULL, NULL, "kernel: cannot open"},
	{"payload", "/tmp", NULL, NULL, "kernel: /tmp is empty or no regular file"},
	{"payload", "%/empty", NULL, NULL, "is empty or no regular file"},
	{"payload", "%/text", NULL, NULL, "kernel: "},
	{"payload", "%/elf", NULL, NULL, "cannot be booted"},
	{"payload", "initramfs=%/nothing", NULL, NULL, "initramfs: cannot open"},
	{"payload", "initramfs=%/empty", NULL, NULL, "initramfs: "},
	{"payload", "initramfs=%/huge", NULL, NULL, "is larger than guest RAM"},
	{"memory", "1T,hugepages=on", NULL, NULL, "huge pages of 2 MiB, but the host has"},
	{"disk", "%/nothing", NULL, NULL, "disk0: cannot open"},
	{"disk", "/dev/null", NULL, NULL, "neither a file nor a block device"},
	{"disk", "/tmp,readonly=on", NULL, NULL, "neither a file nor a block device"},
	{"disk", "%/odd", NULL, NULL, "no multiple of 512"},
	{"disk", "%/empty", NULL, NULL, "no multiple of 512"},
	{"disk", "%/disk", "disk", "%/disk,readonly=on", "are the same image"},
	{"device", "path=gpu", NULL, NULL, "neither a PCI address nor a path that ends in one"},
	{"device", "path=ffff:ff:1f.7", NULL, NULL, "this host has no PCI device ffff:ff:1f.7"},
	{"device", "vfio-user=%/disk", NULL, NULL, "is no socket"},
	{"device", "vfio-user=%/nothing", NULL, NULL, "is no socket"},
	{"cpus", "1,affinity=0@[1023]", NULL, NULL, "vCPU 0: none of its host CPUs is online"},
	{"numa", "guest_numa_id=0,size=512M,host_numa_node=1000", NULL, NULL,
	 "host_numa_node=1000 does not exist"},
	{"numa", "guest_numa_id=0,size=512M,host_numa_node=2000", NULL, NULL,
	 "host_numa_node=2000 does not exist"},
	{"net", "tap=lo", NULL, NULL, "lo is a network interface, but no tap"},
	{"net", "fd=1000", NULL, NULL, "net0: fd=1000 is no open descriptor"},
	{"device", "fd=1000", NULL, NULL, "dev0: descriptor 1000 is not open"},
	{"serial", "file=%/nowhere/log", NULL, NULL, "serial: nothing can be made in the folder"},
	{"serial", "file=%", NULL, NULL, "cannot be written"},
	{"console", "socket=%/nowhere/s", NULL, NULL, "console: nothing can be made in the folder"},
	{"console", "socket=%/text", NULL, NULL, "is there already and is no socket"},
	{"vsock", "cid=3,socket=%/nowhere/s", NULL, NULL,
	 "vsock: nothing can be made in the folder"},
	{"vsock", "cid=3,socket=%/served", NULL, NULL, "vsock: another process serves"},
	{"payload", "kernel=%/pvh,cmdline=" LONG_LINE, NULL, NULL,
	 "cmdline has 2048 bytes, but the kernel takes 2047"},
	{"payload", "kernel=%/pvh", "memory", "32M", "the kernel needs RAM up to"},
};

static void configure(const struct problem_case *one)
{
	cxvm_destroy(log_.vm);
	api_log_create(&log_);
	set(one->section, one->text);
	if (one->section_2)
		set(one->section_2, one->text_2);
}

Test(check, every_problem_is_told)
{
	for (size_t i = 0; i < COUNT(rules); i++) {
		configure(&rules[i]);
		must_say(rules[i].says);
	}
	for (size_t i = 0; i < COUNT(probes); i++) {
		configure(&probes[i]);
		must_say(probes[i].says);
	}
}

/* What check refuses, start and description refuse too, with the same words. */
Test(check, start_and_description_know_the_same_rules)
{
	for (size_t i = 0; i < COUNT(rules); i++) {
		char *text = NULL;

		configure(&rules[i]);
		cr_assert_eq(cxvm_run(log_.vm, NULL), -EINVAL, "%s %s runs", rules[i].section,
			     rules[i].text);
		cr_assert(strstr(log_.text, rules[i].says), "no '%s' in:\n%s", rules[i].says,
			  log_.text);
		log_.used = 0;
		log_.text[0] = '\0';
		cr_assert_eq(cxvm_describe(log_.vm, CXVM_FORMAT_TEXT, &text), -EINVAL);
		cr_assert(strstr(log_.text, rules[i].says), "no '%s' in:\n%s", rules[i].says,
			  log_.text);
	}
}

/* What is right is not complained about: these have no kernel as their only problem. */
Test(check, what_is_right_has_no_problem)
{
	static const struct problem_case fine[] = {
		{"cpus", "2", "numa", "guest_numa_id=0,size=512M,cpus=[0-1]", NULL},
		{"cpus", "2,affinity=[0@[0],1@[0-1]]", NULL, NULL, NULL},
		{"cpus", "8,threads=2", NULL, NULL, NULL},
		{"cpus", "sockets=2,cores=2,threads=2", NULL, NULL, NULL},
		{"net", "tap0,mac=52:54:0:0:0:1", "net", "tap1,mac=52:54:00:00:00:02", NULL},
		{"disk", "%/disk,queue_size=4", NULL, NULL, NULL},
		{"balloon", "512M", NULL, NULL, NULL},
		{"console", "socket=%/new", "serial", "file=%/text", NULL},
	};

	for (size_t i = 0; i < COUNT(fine); i++) {
		int count;

		configure(&fine[i]);
		count = cxvm_check(log_.vm, NULL, NULL);
		cr_expect_eq(count, 1 + (access("/dev/kvm", R_OK | W_OK) != 0), "%s %s: %d",
			     fine[i].section, fine[i].text, count);
	}
}

/* A machine may be running by it. */
Test(check, leaves_the_specification_of_the_machine_alone)
{
	static struct machine_specification before;

	memset(&log_.vm->specification, 0xa5, sizeof(before));
	memcpy(&before, &log_.vm->specification, sizeof(before));
	set("cpus", "2");
	cr_assert_gt(cxvm_check(log_.vm, NULL, NULL), 0);
	cr_assert_eq(memcmp(&before, &log_.vm->specification, sizeof(before)), 0);
}

Test(check, all_of_them_at_once)
{
	static struct found found;

	set("cpus", "65");
	set("memory", "1");
	set("disk", "%/odd");
	set("net", "tap0,mtu=1");
	set("vsock", "cid=0");
	cr_assert_geq(cxvm_check(log_.vm, collect, &found), 6);
	cr_assert(strstr(found.text, "payload:") && strstr(found.text, "cpus:") &&
			  strstr(found.text, "memory:") && strstr(found.text, "disk0:") &&
			  strstr(found.text, "net[0]") && strstr(found.text, "vsock:"),
		  "%s", found.text);
}

Test(check, is_allowed_twice_and_before_more_settings)
{
	set("disk", "%/disk");
	cr_assert_gt(cxvm_check(log_.vm, NULL, NULL), 0);
	set("disk", "%/odd");
	set("cpus", "65");
	must_say("disk1: the size of");
	must_say("cpus: 65 vCPUs");
	cr_assert_eq(cxvm_check(NULL, NULL, NULL), -EINVAL);
}
