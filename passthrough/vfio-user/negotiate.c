/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/negotiate.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "wire/vfio_user.h"

static const char capabilities[] =
	"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,\"pgsizes\":4096}}";

const char *vfio_user_capabilities(uint32_t *length)
{
	*length = sizeof(capabilities);
	return capabilities;
}

static int negotiate_refuse(const char **why, const char *text)
{
	*why = text;
	return -EPROTO;
}

/* An optional integer of [@minimum, @maximum]; larger ones are cut, as we never need more. */
static int negotiate_integer(const json_t *object, const char *name, json_int_t minimum,
			     json_int_t maximum, uint32_t *value)
{
	const json_t *member = json_object_get(object, name);
	json_int_t number;

	if (!member)
		return 0;
	if (!json_is_integer(member))
		return -EPROTO;
	number = json_integer_value(member);
	if (number < minimum)
		return -EPROTO;
	*value = (uint32_t)(number > maximum ? maximum : number);
	return 0;
}

static int negotiate_capabilities(struct vfio_user_limits *limits, const json_t *object,
				  const char **why)
{
	const json_t *pgsizes;

	if (negotiate_integer(object, VFIO_USER_CAPABILITY_MAX_MSG_FDS, 1, VFIO_USER_LIMIT_MSG_FDS,
			      &limits->max_msg_fds))
		return negotiate_refuse(why, "max_msg_fds");
	if (negotiate_integer(object, VFIO_USER_CAPABILITY_MAX_DATA_XFER, 4096,
			      VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE, &limits->max_data_xfer_size))
		return negotiate_refuse(why, "max_data_xfer_size");
	if (negotiate_integer(object, VFIO_USER_CAPABILITY_MAX_DMA_MAPS, 1, UINT32_MAX,
			      &limits->max_dma_maps))
		return negotiate_refuse(why, "max_dma_maps");
	pgsizes = json_object_get(object, VFIO_USER_CAPABILITY_PGSIZES);
	if (pgsizes) {
		if (!json_is_integer(pgsizes) || json_integer_value(pgsizes) <= 0)
			return negotiate_refuse(why, "pgsizes");
		limits->pgsizes = (uint64_t)json_integer_value(pgsizes);
	}
	return 0;
}

int vfio_user_negotiate(struct vfio_user_limits *limits, const uint8_t *payload, uint32_t length,
			const char **why)
{
	struct vfio_user_version version;
	const json_t *object;
	json_t *json;
	int result = 0;

	*why = NULL;
	*limits = (struct vfio_user_limits){
		.max_msg_fds = VFIO_USER_DEFAULT_MAX_MSG_FDS,
		.max_data_xfer_size = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
		.max_dma_maps = VFIO_USER_DEFAULT_MAX_DMA_MAPS,
		.pgsizes = VFIO_USER_DEFAULT_PGSIZES,
	};
	if (length < sizeof(version))
		return negotiate_refuse(why, "the version reply is too short");
	memcpy(&version, payload, sizeof(version));
	if (version.major != VFIO_USER_VERSION_MAJOR || version.minor > VFIO_USER_VERSION_MINOR)
		return negotiate_refuse(why, "the server speaks another protocol version");
	payload += sizeof(version);
	length -= (uint32_t)sizeof(version);
	if (!length)
		return 0;
	if (length > VFIO_USER_LIMIT_VERSION_JSON || payload[length - 1] != '\0')
		return negotiate_refuse(why, "the version JSON is too long or not terminated");
	json = json_loadb((const char *)payload, strlen((const char *)payload),
			  JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return negotiate_refuse(why, "the version JSON is not valid");
	object = json_object_get(json, VFIO_USER_CAPABILITIES);
	if (!json_is_object(json) || (object && !json_is_object(object)))
		result = negotiate_refuse(why, "the version JSON is not an object");
	else if (object)
		result = negotiate_capabilities(limits, object, why);
	json_decref(json);
	return result;
}
