/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-lines FILE COUNT - every line is a JSON object with the strings time, level, object and
 * message and nothing else, and there are at least COUNT. json-lines --whole FILE - the file is one
 * JSON object.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_line(const char *line)
{
	static const char *const keys[] = {"time", "level", "object", "message"};
	json_error_t error;
	json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	int result = json_object_size(root) == 4 ? 0 : 1;

	for (int i = 0; i < 4; i++)
		if (!json_is_string(json_object_get(root, keys[i])))
			result = 1;
	if (result)
		printf("not a log line (%s): %s", root ? "members" : error.text, line);
	json_decref(root);
	return result;
}

int main(int argc, char **argv)
{
	char line[8192];
	int lines = 0, failed = 0;
	FILE *file;

	if (argc != 3)
		return 2;
	if (!strcmp(argv[1], "--whole")) {
		json_t *root = json_load_file(argv[2], 0, NULL);
		int result = json_is_object(root) ? 0 : 1;

		json_decref(root);
		return result;
	}
	file = fopen(argv[1], "r");
	if (!file)
		return 2;
	for (; fgets(line, sizeof(line), file); lines++)
		failed |= check_line(line);
	fclose(file);
	printf("%d lines\n", lines);
	return failed || lines < atoi(argv[2]);
}
