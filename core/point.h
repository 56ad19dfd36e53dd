/* Named points between one change of what processes share and the next: where the tests in
 * tests/torture kill a process, stop it, or hold it up. Built without ZCX_POINTS, as all that is
 * installed, they are nothing. */
#ifndef ZCXI_POINT_H
#define ZCXI_POINT_H

#ifdef ZCX_POINTS

struct zcxi_point { /* all of a library's lie in one section: the list of them */
    const char *name;
};

void zcxi_point(const struct zcxi_point *point); /* tests/torture/point.c */

#define ZCXI_POINT(name_)                                                                          \
    do {                                                                                           \
        static const struct zcxi_point point_ __attribute__((section("zcx_points"), used)) = {     \
            #name_};                                                                               \
        zcxi_point(&point_);                                                                       \
    } while (0)
#else
#define ZCXI_POINT(name_) ((void)0)
#endif

#endif
