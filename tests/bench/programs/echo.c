/* The floor: gives back what it gets. No runtime can answer sooner. */
#include <unistd.h>

static char bytes[1 << 21];

int main(void) {
  for (;;) {
    ssize_t got = read(0, bytes, sizeof bytes);
    if (got <= 0) return 0;
    for (ssize_t sent = 0; sent < got;) {
      ssize_t count = write(1, bytes + sent, got - sent);
      if (count <= 0) return 1;
      sent += count;
    }
  }
}
