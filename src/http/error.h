/*-------------------------------------------------------------------------
 *
 * error.h
 *		libcurl's verdict on a transfer in our terms.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_ERROR_H
#define LI_HTTP_ERROR_H

#include <curl/curl.h>

#include "http/message.h"

extern LiHttpError li_http_error_of(CURLcode code);

#endif /* LI_HTTP_ERROR_H */
