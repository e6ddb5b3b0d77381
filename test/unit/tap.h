/*-------------------------------------------------------------------------
 *
 * tap.h
 *		Test Anything Protocol for the unit tests; one program, one count.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>

static int	tap_count = 0;
static int	tap_failures = 0;

static inline bool ok(bool passed, const char *format, ...) pg_attribute_printf(2, 3);

static inline bool
ok(bool passed, const char *format, ...)
{
	va_list		args;

	printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (!passed)
		tap_failures++;
	return passed;
}

static inline bool
is_int(long long got, long long expected, const char *name)
{
	bool		passed = ok(got == expected, "%s", name);

	if (!passed)
		printf("#   got %lld, expected %lld\n", got, expected);
	return passed;
}

/* NULL equals NULL only. */
static inline bool
is_text(const char *got, const char *expected, const char *name)
{
	bool		passed = ok(got == expected ||
						 (got != NULL && expected != NULL &&
						  strcmp(got, expected) == 0),
					 "%s", name);

	if (!passed)
		printf("#   got \"%.300s\", expected \"%.300s\"\n",
			   got ? got : "(null)", expected ? expected : "(null)");
	return passed;
}

static inline int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures > 0 ? 1 : 0;
}

#endif /* TAP_H */
