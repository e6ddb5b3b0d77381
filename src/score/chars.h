/*-------------------------------------------------------------------------
 *
 * chars.h
 *		Characters of UTF-8 text, one at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_CHARS_H
#define LI_SCORE_CHARS_H

/*
 * Reads the character at "s" (s < end) into *cp and returns its length in
 * bytes.  A byte that starts no character counts as one character, U+FFFD, so
 * that no input makes a caller run past "end" or loop for ever.
 */
static inline int li_char_read(const char *s, const char *end, uint32 *cp);

/* The same for what is not ASCII. */
extern int	li_char_read_long(const char *s, const char *end, uint32 *cp);

/* Writes "cp" to "out" (room for 4 bytes); returns the bytes written. */
extern int	li_char_write(uint32 cp, char *out);

/* Number of characters in "len" bytes. */
extern int	li_char_count(const char *s, size_t len);

/* The greatest number of bytes <= "max" that ends between two characters. */
extern size_t li_char_clip(const char *s, size_t len, size_t max);

/* "s" in NFC, in the current memory context; "s" itself when it is already. */
extern const char *li_char_compose(const char *s);

/*
 * "n" characters and a final 0 in NFC, likewise, with their number; NULL when
 * they are already.
 */
extern uint32 *li_char_compose_run(const uint32 *chars, int n, int *composed_n);

/* Lower case, one character for one. */
extern uint32 li_char_fold(uint32 cp);

/* Letters and digits; false for scripts that write words without spaces. */
extern bool li_char_is_word(uint32 cp);
extern bool li_char_is_letter(uint32 cp);
extern bool li_char_is_upper(uint32 cp);

extern bool li_char_is_space(uint32 cp);	/* line ends included */
extern bool li_char_is_line_end(uint32 cp);
extern bool li_char_is_invisible(uint32 cp);	/* zero-width and control */
extern bool li_char_is_bullet(uint32 cp);

static inline int
li_char_read(const char *s, const char *end, uint32 *cp)
{
	if ((unsigned char) *s >= 0x80)
		return li_char_read_long(s, end, cp);
	*cp = (unsigned char) *s;
	return 1;
}

#endif							/* LI_SCORE_CHARS_H */
