// The headers are C++ too.
#include <zcx.h>
#include <zcx_plugin.h>

extern "C" const char *version()
{
    return zcx_version();
}
