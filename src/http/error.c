/*-------------------------------------------------------------------------
 *
 * error.c
 *		libcurl's verdict on a transfer in our terms.
 *
 * What matters is who can mend it: nobody (it passes), or an operator (a
 * certificate, an address).  What is not listed is a broken transfer.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "http/error.h"

LiHttpError
li_http_error_of(CURLcode code)
{
	switch (code)
	{
		case CURLE_OK:
			return LI_HTTP_OK;
		case CURLE_URL_MALFORMAT:
			return LI_HTTP_BAD_REQUEST;
		case CURLE_COULDNT_RESOLVE_HOST:
			return LI_HTTP_RESOLVE_TEMPORARY;
		case CURLE_COULDNT_CONNECT:
			return LI_HTTP_CONNECT;
		case CURLE_OPERATION_TIMEDOUT:
			return LI_HTTP_TIMEOUT;
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_SSL_CIPHER:
			return LI_HTTP_TLS_HANDSHAKE;
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_CRL_BADFILE:
		case CURLE_SSL_INVALIDCERTSTATUS:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
			return LI_HTTP_TLS_CERTIFICATE;
		default:
			return LI_HTTP_CUT;
	}
}
