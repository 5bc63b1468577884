// SPDX-License-Identifier: MIT
#include "shared/provider/way_in.h"

const char *provider_post_header(const struct provider_post *post, const char *name) {
    return post->header != NULL ? post->header(post->context, name) : NULL;
}

const char *provider_post_parameter(const struct provider_post *post, const char *name) {
    return post->parameter != NULL ? post->parameter(post->context, name) : NULL;
}
