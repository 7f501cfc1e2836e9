//! Whether a graph goes round.

/// Edges that lead back to where the first begins, if any do; the graph's nodes are numbers below
/// `nodes`.
pub fn find<T: Copy>(nodes: usize, edges: &[(u32, u32, T)]) -> Option<Vec<(u32, u32, T)>> {
    let left = without_dead_ends(nodes, edges);
    let onward = |node: u32| {
        let mut edges = edges.iter();
        edges.find(|(from, to, _)| *from == node && left[index(*to)])
    };
    let mut node = edges.iter().find(|(from, ..)| left[index(*from)])?.0;
    let mut way: Vec<(u32, u32, T)> = Vec::new();
    while way.iter().all(|(from, ..)| *from != node) {
        let edge = onward(node)?;
        way.push(*edge);
        node = edge.1;
    }
    let begin = way.iter().position(|(from, ..)| *from == node)?;
    Some(way.split_off(begin))
}

/// Nodes from which one may go on for ever: what leads only to ends is taken away, again and again.
fn without_dead_ends<T>(nodes: usize, edges: &[(u32, u32, T)]) -> Vec<bool> {
    let mut onward = vec![0_u32; nodes];
    let mut back = vec![Vec::new(); nodes];
    for (from, to, _) in edges {
        onward[index(*from)] += 1;
        back[index(*to)].push(*from);
    }
    let mut ends: Vec<_> = (0..nodes).filter(|node| onward[*node] == 0).collect();
    while let Some(end) = ends.pop() {
        for from in back[end].iter().map(|from| index(*from)) {
            onward[from] -= 1;
            if onward[from] == 0 {
                ends.push(from);
            }
        }
    }
    onward.iter().map(|edges| *edges > 0).collect()
}

fn index(node: u32) -> usize {
    usize::try_from(node).unwrap()
}

#[test]
fn a_way_that_leads_back_is_found_and_what_leads_there_is_not_part_of_it() {
    let ends = [(0, 1, 'a'), (0, 2, 'b'), (1, 2, 'c')];
    assert_eq!(find(3, &ends), None);
    let round = [(0, 1, 'a'), (1, 2, 'b'), (2, 1, 'c'), (2, 3, 'd')];
    assert_eq!(find(4, &round), Some(vec![(1, 2, 'b'), (2, 1, 'c')]));
    assert_eq!(find(1, &[(0, 0, 'a')]), Some(vec![(0, 0, 'a')]));
}
