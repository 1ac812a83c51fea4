(() => {
  "use strict";
  // A browser lays out and paints a hundred rows at once without a pause, and five hundred not.
  const most = 100;
  const all = document.querySelectorAll("#models tbody tr").length;
  const pages = all > most ? { paging: { firstLast: false, type: "simple_numbers" } } : null;
  const table = new DataTable("#models", {
    paging: all > most, pageLength: most, info: false, autoWidth: false, order: [],
    layout: { topStart: null, topEnd: null, bottomStart: pages, bottomEnd: null },
  });
  const count = document.getElementById("count");
  table.on("draw", () => { count.textContent = `${table.rows({ search: "applied" }).count()} of ${all}`; });

  document.getElementById("search").addEventListener("input", (event) => table.search(event.target.value).draw());
  for (const select of document.querySelectorAll("[data-filter]")) {
    const matches = (_, __, index) => table.row(index).node().dataset[select.dataset.filter] === select.value;
    select.addEventListener("change", () => table.search.fixed(select.dataset.filter, select.value ? matches : null).draw());
  }
  // DataTables sorts by Enter only; what calls itself a button also answers to the space bar.
  document.querySelector("#models thead").addEventListener("keydown", (event) => {
    if (event.key === " ") { event.preventDefault(); event.target.click(); }
  });
  document.querySelector("form.controls").addEventListener("submit", (event) => event.preventDefault());

  const specifications = JSON.parse(document.getElementById("specifications").textContent);
  const draw = (place) => vegaEmbed(place, specifications[place.id], { ast: true, actions: false, renderer: "svg" });
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });
  const places = [...document.querySelectorAll(".chart")];
  places.forEach((place) => seen.observe(place));
  addEventListener("beforeprint", () => {
    places.filter((place) => !place.querySelector("svg")).forEach(draw);
    if (pages) { table.page.len(-1).draw(); }
  });
  addEventListener("afterprint", () => { if (pages) { table.page.len(most).draw(); } });

  const open = () => {
    const section = location.hash.startsWith("#model-") && document.getElementById(location.hash.slice(1));
    if (section) { section.open = true; section.scrollIntoView(); section.querySelector("summary").focus({ preventScroll: true }); }
  };
  addEventListener("hashchange", open);
  open();
})();
