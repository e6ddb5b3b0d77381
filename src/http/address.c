/*-------------------------------------------------------------------------
 *
 * address.c
 *		What kind of network address a connection is about to go to.
 *
 * An endpoint's name can resolve to anything, and to something else the next
 * time, so the rule looks at the address a socket is being opened for and not
 * at the URL.  The tables follow the IANA special-purpose registries (RFC
 * 6890); in IPv6 only 2000::/3 is the public internet.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <arpa/inet.h>
#include <netinet/in.h>

#include "http/address.h"

typedef struct Range4
{
	uint32		base;
	int			bits;
	LiAddressClass class;
} Range4;

/* The first match counts. */
static const Range4 ranges4[] = {
	{ 0x00000000, 8, LI_ADDRESS_UNUSABLE }, /* this network */
	{ 0x0A000000, 8, LI_ADDRESS_PRIVATE },
	{ 0x646464C8, 32, LI_ADDRESS_UNUSABLE }, /* 100.100.100.200, metadata */
	{ 0x64400000, 10, LI_ADDRESS_PRIVATE }, /* carrier-grade NAT */
	{ 0x7F000000, 8, LI_ADDRESS_LOOPBACK },
	{ 0xA9FEA9FE, 32, LI_ADDRESS_UNUSABLE }, /* 169.254.169.254, metadata */
	{ 0xA9FE0000, 16, LI_ADDRESS_PRIVATE }, /* link-local */
	{ 0xAC100000, 12, LI_ADDRESS_PRIVATE },
	{ 0xC0000000, 24, LI_ADDRESS_UNUSABLE }, /* protocol assignments */
	{ 0xC0000200, 24, LI_ADDRESS_UNUSABLE }, /* documentation */
	{ 0xC0586300, 24, LI_ADDRESS_UNUSABLE }, /* 6to4 relays */
	{ 0xC0A80000, 16, LI_ADDRESS_PRIVATE },
	{ 0xC6120000, 15, LI_ADDRESS_PRIVATE }, /* benchmarks */
	{ 0xC6336400, 24, LI_ADDRESS_UNUSABLE }, /* documentation */
	{ 0xCB007100, 24, LI_ADDRESS_UNUSABLE }, /* documentation */
	{ 0xE0000000, 4, LI_ADDRESS_UNUSABLE }, /* multicast */
	{ 0xF0000000, 4, LI_ADDRESS_UNUSABLE } /* reserved, broadcast */
};

typedef struct Range6
{
	uint8		base[16];
	int			bits;
	LiAddressClass class;
} Range6;

static const Range6 ranges6[] = {
	{ { 0xFD, 0x00, 0x0E, 0xC2, [14] = 0x02, 0x54 }, 128, LI_ADDRESS_UNUSABLE }, /* metadata */
	{ { 0xFC }, 7, LI_ADDRESS_PRIVATE }, /* unique local */
	{ { 0xFE, 0x80 }, 10, LI_ADDRESS_PRIVATE }, /* link-local */
	{ { 0xFE, 0xC0 }, 10, LI_ADDRESS_PRIVATE }, /* site-local, deprecated */
	{ { 0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01 }, 48, LI_ADDRESS_PRIVATE }, /* local NAT64 */
	{ { 0x20, 0x01, 0x00, 0x00 }, 32, LI_ADDRESS_PRIVATE }, /* Teredo */
	{ { 0x20, 0x01, 0x0D, 0xB8 }, 32, LI_ADDRESS_UNUSABLE }, /* documentation */
	{ { 0x20, 0x02 }, 16, LI_ADDRESS_PRIVATE }, /* 6to4 */
	{ { 0x3F, 0xFF }, 20, LI_ADDRESS_UNUSABLE }, /* documentation */
	{ { 0x20 }, 3, LI_ADDRESS_PUBLIC }
};

static LiAddressClass
class_of_ip4(uint32 address)
{
	for (int i = 0; i < (int) lengthof(ranges4); i++)
	{
		uint32		mask = 0xFFFFFFFF << (32 - ranges4[i].bits);

		if ((address & mask) == ranges4[i].base)
			return ranges4[i].class;
	}
	return LI_ADDRESS_PUBLIC;
}

static bool
in_range6(const uint8 *address, const Range6 *range)
{
	int			bytes = range->bits / 8;
	int			rest = range->bits % 8;

	if (memcmp(address, range->base, bytes) != 0)
		return false;
	return rest == 0 ||
		   ((address[bytes] ^ range->base[bytes]) >> (8 - rest)) == 0;
}

static LiAddressClass
class_of_ip6(const uint8 *address)
{
	static const uint8 loopback[16] = { [15] = 1 };
	static const uint8 mapped[12] = { [10] = 0xFF, [11] = 0xFF };
	static const uint8 nat64[12] = { 0x00, 0x64, 0xFF, 0x9B };
	uint32		ip4 = ((uint32) address[12] << 24) | ((uint32) address[13] << 16) |
				 ((uint32) address[14] << 8) | address[15];

	if (memcmp(address, loopback, 16) == 0)
		return LI_ADDRESS_LOOPBACK;

	/* a way around the rules for IPv4, with no use of its own */
	if (memcmp(address, mapped, 12) == 0)
		return class_of_ip4(ip4) == LI_ADDRESS_UNUSABLE ?
				   LI_ADDRESS_UNUSABLE :
				   LI_ADDRESS_PRIVATE;

	/* networks without IPv4 reach the whole IPv4 internet through this one */
	if (memcmp(address, nat64, 12) == 0)
	{
		LiAddressClass class = class_of_ip4(ip4);

		return class == LI_ADDRESS_LOOPBACK ? LI_ADDRESS_UNUSABLE : class;
	}

	for (int i = 0; i < (int) lengthof(ranges6); i++)
	{
		if (in_range6(address, &ranges6[i]))
			return ranges6[i].class;
	}
	return LI_ADDRESS_UNUSABLE;
}

LiAddressClass
li_http_address_class(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
	{
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return class_of_ip4(ntohl(in.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6)
	{
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return class_of_ip6(in6.sin6_addr.s6_addr);
	}
	return LI_ADDRESS_UNUSABLE;
}

LiAddressClass
li_http_address_class_text(const char *address)
{
	struct in_addr ip4;
	struct in6_addr ip6;

	if (inet_pton(AF_INET, address, &ip4) == 1)
		return class_of_ip4(ntohl(ip4.s_addr));
	if (inet_pton(AF_INET6, address, &ip6) == 1)
		return class_of_ip6(ip6.s6_addr);
	return LI_ADDRESS_UNUSABLE;
}

bool
li_http_address_allowed(LiAddressClass class, bool tls, bool allow_private)
{
	switch (class)
	{
		case LI_ADDRESS_LOOPBACK:
			return true;
		case LI_ADDRESS_PUBLIC:
			return tls || allow_private;
		case LI_ADDRESS_PRIVATE:
			return allow_private;
		case LI_ADDRESS_UNUSABLE:
			break;
	}
	return false;
}
