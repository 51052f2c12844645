// On a narrow screen the sidebar covers the rest, and goes when something was chosen.

const narrow = matchMedia("(max-width: 52rem)");
const sidebar = document.getElementById("sidebar");
const opener = document.getElementById("menu-button");

export function offerSidebar() {
  opener.addEventListener("click", () => (isOpen() ? closeSidebar() : openSidebar()));
  narrow.addEventListener("change", closeSidebar);
  document.addEventListener("pointerdown", ({ target }) => {
    if (!(target instanceof Node)) return;
    if (isOpen() && !sidebar.contains(target) && !opener.contains(target)) closeSidebar();
  });
  sidebar.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen()) {
      closeSidebar();
      opener.focus();
    }
  });
}

function isOpen() {
  return sidebar.classList.contains("open");
}

function openSidebar() {
  sidebar.classList.add("open");
  opener.ariaExpanded = "true";
  sidebar.querySelector("a").focus();
}

export function closeSidebar() {
  sidebar.classList.remove("open");
  opener.ariaExpanded = "false";
}
