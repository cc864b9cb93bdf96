// Marks the section on the screen in the table of contents, which starts closed on small screens.
function startContents() {
  const contents = document.getElementById("contents");
  contents.open = matchMedia("(min-width: 1100px)").matches;
  document.querySelector(".to-contents").addEventListener("click", () => { contents.open = true; });
  const links = new Map([...contents.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((entry) => entry.isIntersecting)) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
}
