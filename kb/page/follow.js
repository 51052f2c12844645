// Scrolling: a button leads to the end of what is written, and stays there until somebody scrolls up.

import { iconButton } from "./dom.js";
import { t } from "./words.js";

const NEAR = 48; // pixels from the end that are still the end

export function followed(scroller, content) {
  let isFollowing = false;
  let top = 0;
  const toEnd = () => scroller.scrollTo({ top: scroller.scrollHeight });
  const isAway = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight > NEAR;
  const show = () => (button.hidden = !isAway());
  const button = iconButton("end", t("toEnd"), follow, {
    class: "icon-button to-end",
    hidden: true,
  });

  function follow() {
    isFollowing = true;
    toEnd();
  }

  function scrolled() {
    if (scroller.scrollTop < top) isFollowing = false;
    top = scroller.scrollTop;
    show();
  }

  function grown() {
    if (isFollowing) toEnd();
    show();
  }

  scroller.addEventListener("scroll", scrolled, { passive: true });
  const sizes = new ResizeObserver(grown);
  sizes.observe(scroller);
  sizes.observe(content);
  return button;
}
