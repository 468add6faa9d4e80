/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cxvm/accel.h>

#include "accel-sim/units.h"

struct sim_name {
	const char *name;
	uint32_t value;
};

static const struct sim_name broken_names[] = {
	{"zero-area", SIM_BROKEN_ZERO_AREA},
	{"wrapped-area", SIM_BROKEN_WRAPPED_AREA},
	{"overlap", SIM_BROKEN_OVERLAP},
	{"unaligned", SIM_BROKEN_UNALIGNED},
	{"past-end", SIM_BROKEN_PAST_END},
	{"many-areas", SIM_BROKEN_MANY_AREAS},
	{"cap-loop", SIM_BROKEN_CAP_LOOP},
	{"cap-outside", SIM_BROKEN_CAP_OUTSIDE},
	{"cap-size", SIM_BROKEN_CAP_SIZE},
	{"cap-index", SIM_BROKEN_CAP_INDEX},
	{"cap-twice", SIM_BROKEN_CAP_TWICE},
	{"region-count", SIM_BROKEN_REGION_COUNT},
	{"memory-size", SIM_BROKEN_MEMORY_SIZE},
	{"no-fd", SIM_BROKEN_NO_FD},
	{"short-fd", SIM_BROKEN_SHORT_FD},
	{"block-outside", SIM_BROKEN_BLOCK_OUTSIDE},
	{"hdm-count", SIM_BROKEN_HDM_COUNT},
	{"region-offset", SIM_BROKEN_REGION_OFFSET},
	{NULL, 0},
};

static const struct sim_name class_names[] = {
	{"gpu", SIM_CLASS_GPU},
	{"memory", SIM_CLASS_MEMORY},
	{NULL, 0},
};

static const struct sim_name topology_names[] = {
	{"A", SIM_TOPOLOGY_A},
	{"B", SIM_TOPOLOGY_B},
	{"C", SIM_TOPOLOGY_C},
	{"D", SIM_TOPOLOGY_D},
	{NULL, 0},
};

static const struct sim_name contract_names[] = {
	{"v2", SIM_CONTRACT_V2},
	{"v3", SIM_CONTRACT_V3},
	{"regions", SIM_CONTRACT_REGIONS},
	{"none", SIM_CONTRACT_NONE},
	{NULL, 0},
};

static const struct sim_name origin_names[] = {
	{"cachemem", SIM_ORIGIN_CACHEMEM},
	{"block", SIM_ORIGIN_BLOCK},
	{"hdm", SIM_ORIGIN_HDM},
	{NULL, 0},
};

static const struct sim_name switch_names[] = {
	{"on", 1},
	{"off", 0},
	{NULL, 0},
};

enum sim_option_id {
	OPTION_SOCKET = 1000,
	OPTION_CONTROL,
	OPTION_CLASS,
	OPTION_CLASS_CODE,
	OPTION_VENDOR,
	OPTION_DEVICE,
	OPTION_TOPOLOGY,
	OPTION_BROKEN,
	OPTION_CONTRACT,
	OPTION_ORIGIN,
	OPTION_BAR,
	OPTION_BAR_SIZE,
	OPTION_DPA,
	OPTION_DPA_FILE,
	OPTION_DECODERS,
	OPTION_COMMITTED,
	OPTION_UNCOMMITTED,
	OPTION_CACHE,
	OPTION_CONFIG_LOCK,
	OPTION_MMAP,
	OPTION_VECTORS,
	OPTION_QUEUES,
	OPTION_SERIAL,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"control", required_argument, NULL, OPTION_CONTROL},
	{"class", required_argument, NULL, OPTION_CLASS},
	{"class-code", required_argument, NULL, OPTION_CLASS_CODE},
	{"vendor", required_argument, NULL, OPTION_VENDOR},
	{"device", required_argument, NULL, OPTION_DEVICE},
	{"topology", required_argument, NULL, OPTION_TOPOLOGY},
	{"broken", required_argument, NULL, OPTION_BROKEN},
	{"contract", required_argument, NULL, OPTION_CONTRACT},
	{"comp-regs-origin", required_argument, NULL, OPTION_ORIGIN},
	{"component-bar", required_argument, NULL, OPTION_BAR},
	{"bar-size", required_argument, NULL, OPTION_BAR_SIZE},
	{"dpa", required_argument, NULL, OPTION_DPA},
	{"dpa-file", required_argument, NULL, OPTION_DPA_FILE},
	{"decoders", required_argument, NULL, OPTION_DECODERS},
	{"firmware-committed", required_argument, NULL, OPTION_COMMITTED},
	{"uncommitted", no_argument, NULL, OPTION_UNCOMMITTED},
	{"cache-capable", no_argument, NULL, OPTION_CACHE},
	{"config-lock", no_argument, NULL, OPTION_CONFIG_LOCK},
	{"mmap", required_argument, NULL, OPTION_MMAP},
	{"vectors", required_argument, NULL, OPTION_VECTORS},
	{"queues", required_argument, NULL, OPTION_QUEUES},
	{"serial", required_argument, NULL, OPTION_SERIAL},
	{"verbose", no_argument, NULL, OPTION_VERBOSE},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

const char *sim_options_usage(void)
{
	return "usage: cxvm-accel-sim --socket PATH [options]\n"
	       "\n"
	       "Serves one simulated CXL Type-2 accelerator over vfio-user (one client at a "
	       "time).\n"
	       "\n"
	       "  --socket PATH             UNIX socket to listen on; removed at exit\n"
	       "  --control PATH            UNIX socket for JSON commands: faults and counters\n"
	       "  --class gpu|memory        accelerator with engine, or CXL memory expander\n"
	       "  --vendor ID --device ID   PCI ids (default 0xcc58 and 0x0001, memory 0x0002)\n"
	       "  --class-code CODE         PCI class code (default 0x030200, memory 0x050210)\n"
	       "  --topology A|B|C|D        component block at the BAR's end, start, inside, all "
	       "of it;\n"
	       "                            broken-NAME: a wrong layout, see --broken\n"
	       "  --contract v2|v3|regions|none   what GET_INFO says about CXL\n"
	       "  --comp-regs-origin cachemem|block|hdm   offset 0 of the COMP_REGS region\n"
	       "  --component-bar 0|2|4     BAR of the component block\n"
	       "  --bar-size SIZE           its size, a power of two from 64K to 1G\n"
	       "  --dpa SIZE                device memory, 256M to 1T; odd sizes allowed\n"
	       "  --dpa-file PATH[,offset=N]      back it by a file instead of a sparse memfd\n"
	       "  --decoders 1|2|4|6|8|10   HDM decoders\n"
	       "  --firmware-committed base=HPA   decoder 0 committed and locked there (the "
	       "default,\n"
	       "                            at 0x4000000000)\n"
	       "  --uncommitted             no decoder committed\n"
	       "  --cache-capable           DVSEC Cache_Capable and cache write-back\n"
	       "  --config-lock             DVSEC CONFIG_LOCK set\n"
	       "  --mmap on|off             offer file descriptors for direct mapping (default "
	       "on)\n"
	       "  --vectors N               MSI-X vectors, 1 to 2048 (default 16)\n"
	       "  --queues N                engine queues, 1 to 16 (default 4)\n"
	       "  --serial N                device serial number\n"
	       "  --broken NAME             repeatable: zero-area wrapped-area overlap unaligned "
	       "past-end\n"
	       "                            many-areas cap-loop cap-outside cap-size cap-index "
	       "cap-twice\n"
	       "                            region-count memory-size no-fd short-fd block-outside\n"
	       "                            hdm-count region-offset\n"
	       "  --verbose                 log every message\n"
	       "  --help, --version\n"
	       "\n"
	       "SIZE takes K, M, G or T. Examples:\n"
	       "  cxvm-accel-sim --socket /run/accel.sock --dpa 8G\n"
	       "  cxvm-accel-sim --socket /run/b.sock --topology C --contract v3 --decoders 4 "
	       "--uncommitted\n"
	       "  cxvm-accel-sim --socket /run/mem.sock --class memory --dpa 1G --uncommitted\n"
	       "  cxvm-accel-sim --socket /run/l1.sock --contract none --dpa 512M \\\n"
	       "      --dpa-file /dev/shm/l1-ram,offset=2G --firmware-committed base=0x80000000\n";
}

/* A number with an optional binary suffix; false when anything is left over or it does not fit. */
static bool sim_options_number(const char *text, uint64_t *value)
{
	static const char suffixes[] = "KMGT";
	const char *found;
	char *end;
	unsigned int shift;

	if (text[0] < '0' || text[0] > '9')
		return false;
	*value = strtoull(text, &end, 0);
	if (*value == UINT64_MAX)
		return false;
	if (*end == '\0')
		return true;
	found = strchr(suffixes, *end);
	if (!found || end[1] != '\0')
		return false;
	shift = 10u * (unsigned int)(found - suffixes + 1);
	if (*value > (UINT64_MAX >> shift))
		return false;
	*value <<= shift;
	return true;
}

static bool sim_options_name(const struct sim_name *names, const char *text, uint32_t *value)
{
	for (; names->name; names++) {
		if (strcmp(names->name, text) == 0) {
			*value = names->value;
			return true;
		}
	}
	return false;
}

void sim_options_defaults(struct sim_options *options)
{
	memset(options, 0, sizeof(*options));
	options->vendor = CXVM_ACCEL_PCI_VENDOR;
	options->component_bar = -1;
	options->origin = (enum sim_origin) - 1;
	options->topology = (enum sim_topology) - 1;
	options->dpa_size = 256 * MIB;
	options->decoders = 1;
	options->firmware_committed = true;
	options->firmware_base = UINT64_C(0x4000000000);
	options->map_windows = true;
	options->vectors = 16;
	options->queues = 4;
	options->serial = UINT64_C(0xcc58000000000001);
}

bool sim_options_complete(struct sim_options *options, char *message, size_t message_size)
{
	static const int default_bar[] = {2, 0, 4, 0};
	static const uint64_t default_size[] = {32 * MIB, 16 * MIB, 64 * MIB, 64 * 1024};
	bool whole;

	if ((int)options->topology < 0)
		options->topology =
			options->class == SIM_CLASS_MEMORY ? SIM_TOPOLOGY_D : SIM_TOPOLOGY_A;
	whole = options->topology == SIM_TOPOLOGY_D;
	if (options->component_bar < 0)
		options->component_bar = default_bar[options->topology];
	if (options->component_size == 0)
		options->component_size = default_size[options->topology];
	if (options->broken & SIM_BROKEN_WRAPPED_AREA)
		options->component_size = 0x8000;
	if ((int)options->origin < 0)
		options->origin = options->contract == SIM_CONTRACT_V3 ? SIM_ORIGIN_BLOCK
								       : SIM_ORIGIN_CACHEMEM;
	if (options->device == 0)
		options->device = options->class == SIM_CLASS_MEMORY ? CXVM_ACCEL_PCI_DEVICE_MEMORY
								     : CXVM_ACCEL_PCI_DEVICE;
	if (options->class_code == 0)
		options->class_code = options->class == SIM_CLASS_MEMORY ? 0x050210 : 0x030200;

	if (options->component_bar != 0 && options->component_bar != 2 &&
	    options->component_bar != 4) {
		snprintf(message, message_size,
			 "--component-bar %d: the BAR is 64-bit and takes two slots; use 0, 2 or 4",
			 options->component_bar);
		return false;
	}
	if ((options->component_size & (options->component_size - 1)) != 0 ||
	    (options->component_size < 0x10000 && !(options->broken & SIM_BROKEN_WRAPPED_AREA)) ||
	    options->component_size > GIB) {
		snprintf(message, message_size,
			 "--bar-size 0x%" PRIx64 ": must be a power of two from 64K to 1G",
			 options->component_size);
		return false;
	}
	if (whole && options->component_size != 0x10000 &&
	    !(options->broken & SIM_BROKEN_WRAPPED_AREA)) {
		snprintf(
			message, message_size,
			"--topology D: the component block is the whole BAR, so --bar-size is 64K");
		return false;
	}
	if (!whole && options->component_size < MIB) {
		snprintf(message, message_size,
			 "--bar-size 0x%" PRIx64 ": topologies A, B and C need 1M at least (64K of "
			 "component registers and the register window)",
			 options->component_size);
		return false;
	}
	if (options->dpa_size < 256 * MIB || options->dpa_size > (GIB << 10) ||
	    options->dpa_size % 4096 != 0) {
		snprintf(message, message_size,
			 "--dpa 0x%" PRIx64
			 ": must be 256M to 1T in whole pages; an HDM decoder counts in "
			 "256M",
			 options->dpa_size);
		return false;
	}
	if (options->dpa_offset % 4096 != 0) {
		snprintf(message, message_size,
			 "--dpa-file: offset=0x%" PRIx64 " is not page aligned",
			 options->dpa_offset);
		return false;
	}
	if (options->decoders == 0 || options->decoders > 10 ||
	    (options->decoders != 1 && options->decoders % 2 != 0)) {
		snprintf(message, message_size,
			 "--decoders %u: the count code of CXL 8.2.4.20.1 knows 1, 2, 4, 6, 8 and "
			 "10",
			 options->decoders);
		return false;
	}
	if (options->firmware_committed &&
	    (options->firmware_base % (256 * MIB) != 0 ||
	     options->firmware_base > UINT64_MAX - options->dpa_size)) {
		snprintf(message, message_size,
			 "--firmware-committed base=0x%" PRIx64
			 ": a decoder base is a multiple of 256M "
			 "and "
			 "must not wrap",
			 options->firmware_base);
		return false;
	}
	if (options->vectors == 0 || options->vectors > 2048 || options->queues == 0 ||
	    options->queues > 16) {
		snprintf(message, message_size,
			 "--vectors %u --queues %u: 1 to 2048 vectors and 1 to 16 queues",
			 options->vectors, options->queues);
		return false;
	}
	return true;
}

static bool sim_options_dpa_file(struct sim_options *options, char *argument)
{
	char *comma = strchr(argument, ',');

	if (comma) {
		if (strncmp(comma, ",offset=", 8) != 0 ||
		    !sim_options_number(comma + 8, &options->dpa_offset))
			return false;
		*comma = '\0';
	}
	options->dpa_path = argument;
	return argument[0] != '\0';
}

/* One option with its value; false when the value is not understood. */
static bool sim_options_apply(struct sim_options *options, int id, char *value)
{
	uint64_t number = 0;
	uint32_t choice = 0;

	switch (id) {
	case OPTION_SOCKET:
		options->socket_path = value;
		return true;
	case OPTION_CONTROL:
		options->control_path = value;
		return true;
	case OPTION_CLASS:
		if (!sim_options_name(class_names, value, &choice))
			return false;
		options->class = (enum sim_class)choice;
		return true;
	case OPTION_TOPOLOGY:
		if (strncmp(value, "broken-", 7) == 0) {
			if (!sim_options_name(broken_names, value + 7, &choice))
				return false;
			options->broken |= choice;
			options->topology =
				choice & (SIM_BROKEN_ZERO_AREA | SIM_BROKEN_WRAPPED_AREA)
					? SIM_TOPOLOGY_D
					: SIM_TOPOLOGY_C;
			return true;
		}
		if (!sim_options_name(topology_names, value, &choice))
			return false;
		options->topology = (enum sim_topology)choice;
		return true;
	case OPTION_BROKEN:
		if (!sim_options_name(broken_names, value, &choice))
			return false;
		options->broken |= choice;
		return true;
	case OPTION_CONTRACT:
		if (!sim_options_name(contract_names, value, &choice))
			return false;
		options->contract = (enum sim_contract)choice;
		return true;
	case OPTION_ORIGIN:
		if (!sim_options_name(origin_names, value, &choice))
			return false;
		options->origin = (enum sim_origin)choice;
		return true;
	case OPTION_MMAP:
		if (!sim_options_name(switch_names, value, &choice))
			return false;
		options->map_windows = choice != 0;
		return true;
	case OPTION_DPA_FILE:
		return sim_options_dpa_file(options, value);
	case OPTION_COMMITTED:
		options->firmware_committed = true;
		return strncmp(value, "base=", 5) == 0 &&
		       sim_options_number(value + 5, &options->firmware_base);
	case OPTION_UNCOMMITTED:
		options->firmware_committed = false;
		return true;
	case OPTION_CACHE:
		options->cache_capable = true;
		return true;
	case OPTION_CONFIG_LOCK:
		options->config_lock = true;
		return true;
	case OPTION_VERBOSE:
		options->verbose = true;
		return true;
	default:
		break;
	}
	if (!sim_options_number(value, &number))
		return false;
	switch (id) {
	case OPTION_CLASS_CODE:
		options->class_code = (uint32_t)number;
		return number > 0 && number <= 0xffffff;
	case OPTION_VENDOR:
		options->vendor = (uint16_t)number;
		return number > 0 && number < 0xffff;
	case OPTION_DEVICE:
		options->device = (uint16_t)number;
		return number > 0 && number <= 0xffff;
	case OPTION_BAR:
		options->component_bar = (int)number;
		return number < 6;
	case OPTION_BAR_SIZE:
		options->component_size = number;
		return number != 0;
	case OPTION_DPA:
		options->dpa_size = number;
		return true;
	case OPTION_DECODERS:
		options->decoders = (unsigned int)number;
		return number <= 32;
	case OPTION_VECTORS:
		options->vectors = (unsigned int)number;
		return number <= 2048;
	case OPTION_QUEUES:
		options->queues = (unsigned int)number;
		return number <= 16;
	case OPTION_SERIAL:
		options->serial = number;
		return true;
	default:
		return false;
	}
}

enum sim_options_result sim_options_parse(struct sim_options *options, int argc, char *const *argv,
					  char *message, size_t message_size)
{
	int id, index = 0;

	sim_options_defaults(options);
	optind = 0;
	opterr = 0;
	while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (id == OPTION_HELP)
			return SIM_OPTIONS_HELP;
		if (id == OPTION_VERSION)
			return SIM_OPTIONS_VERSION;
		if (id == '?' || id == ':') {
			snprintf(message, message_size,
				 "%s: unknown option, or its value is missing; --help lists them",
				 argv[optind - 1]);
			return SIM_OPTIONS_BAD;
		}
		if (!sim_options_apply(options, id, optarg)) {
			snprintf(message, message_size,
				 "--%s %s: not a valid value; --help lists them",
				 long_options[index].name, optarg ? optarg : "");
			return SIM_OPTIONS_BAD;
		}
	}
	if (optind < argc) {
		snprintf(message, message_size, "%s: unexpected argument", argv[optind]);
		return SIM_OPTIONS_BAD;
	}
	if (!options->socket_path) {
		snprintf(message, message_size, "--socket PATH is missing: where to listen");
		return SIM_OPTIONS_BAD;
	}
	return sim_options_complete(options, message, message_size) ? SIM_OPTIONS_OK
								    : SIM_OPTIONS_BAD;
}
