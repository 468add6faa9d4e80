/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"cxvm - a microVM monitor for CXL Type-2 accelerators\n"
	"\n"
	"Usage:\n"
	"  cxvm run [options]           boot a machine and serve it until it stops\n"
	"  cxvm check [FILE] [options]  look at a configuration and the host; list every problem\n"
	"  cxvm inspect [options]       print the guest physical map: what is direct, what traps\n"
	"  cxvm host list|check         what of the host can be passed through, and why something "
	"cannot\n"
	"  cxvm host bind|unbind BDF... give devices to VFIO, and back to the host\n"
	"  cxvm --help | --version      also: cxvm run --help, cxvm host --help\n";

static const char run_help[] =
	"Usage: cxvm run --kernel FILE [options]   (cxvm check and cxvm inspect take the same "
	"options)\n"
	"\n"
	"  --kernel FILE              bzImage or PVH ELF vmlinux, told apart by content\n"
	"  --initrd FILE              initramfs\n"
	"  --cmdline TEXT             kernel command line\n"
	"  --cpus N[,key=value]       sockets= cores= threads= features= affinity= max_phys_bits=\n"
	"  --memory SIZE[,key=value]  shared= hugepages= hugepage_size= thp= prefault= "
	"prefault_threads=\n"
	"  --cpu-features LIST        as in -cx16,-xsave: on top of the host's\n"
	"  --numa guest_numa_id=N,size=SIZE,cpus=LIST[,host_numa_node=N]\n"
	"  --disk path=FILE[,...]     id= readonly= direct= num_queues= queue_size= serial= "
	"bw_size= bw_refill_time= ...\n"
	"  --net tap=NAME[,...]       id= fd= mac= mtu= vhost= queue_size=\n"
	"  --vsock cid=N,socket=PATH  or vhost=on\n"
	"  --serial MODE              tty, null, off, pty, file=PATH or socket=PATH (default "
	"null)\n"
	"  --console MODE             the same for the virtio console (default off)\n"
	"  --rng off   --balloon SIZE[,free_page_reporting=on]\n"
	"  --device vfio-user=SOCKET  or path=BDF; id= memory=cxl|node p2p= fd= iommufd= group_fd= "
	"noiommu=\n"
	"  --platform key=value       seccomp= boot_timer= debug_exit= pvpanic= "
	"power_off_grace_ms=\n"
	"  --config FILE              the same in JSON (docs/configuration.md); options after it "
	"add to it\n"
	"                             --name=VALUE is --name VALUE; lists take several: --disk "
	"path=a "
	"path=b\n"
	"  --sandbox on|off           empty root, no capabilities; default on with --user\n"
	"  --user UID[:GID]           of the sandbox, when started as root\n"
	"  --seccomp on|log|off   --boot-timer   --debug-exit   --dry-run (print the guest "
	"physical map)\n"
	"  --log-level error|warn|info|debug   --log-format text|json   --log-file FILE   -v\n"
	"  --format text|json|svg     of cxvm inspect and --dry-run\n"
	"\n"
	"Examples:\n"
	"  cxvm run --kernel vmlinuz --initrd initrd.img --cmdline 'console=ttyS0' --serial tty\n"
	"  cxvm run --kernel vmlinuz --cpus 2 --memory size=1G --disk path=root.img --net tap=tap0 "
	"\\\n"
	"           --cmdline 'root=/dev/vda console=ttyS0 panic=-1' --serial tty\n"
	"  cxvm run --config vm.json --device vfio-user=/run/accel.sock,id=gpu0,memory=cxl\n"
	"\n"
	"Exit status: 0 the guest powered off, 1 failed, 2 bad arguments, 3 bad configuration, 4 "
	"bad kernel,\n"
	"  5 no KVM or device, 32 guest reboot, 33 guest crash, 34 guest panic, 35 cxvm could not "
	"go on,\n"
	"  128+N ended by signal N. SIGTERM presses the power button first, SIGINT does not.\n";

static const char host_help[] =
	"Usage: cxvm host list [--all] [--json]\n"
	"       cxvm host check [--json]\n"
	"       cxvm host bind BDF... [--driver NAME] [--json]\n"
	"       cxvm host unbind BDF... [--json]\n"
	"\n"
	"  list     accelerators and devices bound to VFIO: IOMMU group, driver, CXL facts, why "
	"one is "
	"not usable\n"
	"  check    KVM, IOMMU, VFIO, driver, huge pages, memory lock limit, each with a fix\n"
	"  bind     to cxl-vfio-pci when the device is a CXL device with memory, else to vfio-pci\n"
	"  unbind   back to the driver that the kernel chooses\n"
	"\n"
	"  --all          list every device but bridges\n"
	"  --driver NAME  bind to this driver instead\n"
	"  --json         as JSON (docs/cli.md)\n"
	"  --root FOLDER  read another host's sys, proc and dev folders, copied to FOLDER\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 bad arguments, 3 refused (check: problems were found), 5 "
	"no "
	"permission, IOMMU or driver.\n";

static const struct {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"run", cli_run, run_help},
	{"check", cli_check, run_help},
	{"inspect", cli_inspect, run_help},
	{"host", cli_host, host_help},
};

static int execute(int argc, char **argv)
{
	if (argc < 2) {
		fputs(help, stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		printf("cxvm %s\n", cxvm_version());
		return CLI_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		for (int j = 2; j < argc; j++) {
			if (!strcmp(argv[j], "--help")) {
				fputs(commands[i].help, stdout);
				return CLI_OK;
			}
		}
		return commands[i].function(argc - 1, argv + 1);
	}
	fprintf(stderr, "cxvm: unknown command '%s'; see cxvm --help\n", argv[1]);
	return CLI_USAGE;
}

/* What was printed is a result: a command that could not hand it over has failed. */
static int finish_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "cxvm: cannot write to standard output: %s\n", strerror(errno));
	return CLI_FAILED;
}

/* A file of ours must never get a number that this process reads and writes as a standard one. */
static int open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	if (open_standard_files()) {
		fprintf(stderr,
			"cxvm: a standard file is closed, and /dev/null cannot be opened\n");
		return CLI_FAILED;
	}
	/* A file that has reached RLIMIT_FSIZE is a write error (EFBIG), not the end. */
	signal(SIGXFSZ, SIG_IGN);
	return finish_output(execute(argc, argv));
}
